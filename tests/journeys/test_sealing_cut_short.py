"""Sealing that was cancelled, cut short, refused or tripped over a fault of ours: half a bundle is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.verifier.verdict import CONDITIONAL, Verdict, rejected
from app.verifier.verify import verify
from tests.journeys.sealer import Sealer, verdict_on
from tests.support.faulty_proxy import (
    Exchange,
    FaultyProxy,
    pass_on,
)


def test_cancelled_before_it_began(sealer: Sealer) -> None:
    evidence_id = sealer.ask()
    sealer.cancel(evidence_id)
    sealer.work()
    assert sealer.row(evidence_id).state == "cancelled"
    assert sealer.left_of(evidence_id) == []


def test_cancelled_while_the_nodes_are_asked(sealer: Sealer, proxy: FaultyProxy) -> None:
    sealer = sealer.through(proxy.url)
    evidence_id = sealer.ask()
    asked = []

    def cancel_at_the_first_log(exchange: Exchange) -> None:
        asked.append(exchange.asked)
        if not isinstance(exchange.asked, list) and exchange.asked["method"] == "eth_getLogs":
            assert sealer.row(evidence_id).state == "running"
            sealer.cancel(evidence_id)
        pass_on(exchange)

    proxy.fail(cancel_at_the_first_log)
    sealer.work()
    assert sealer.row(evidence_id).state == "cancelled"
    assert sealer.left_of(evidence_id) == []
    assert [each["method"] for each in asked].count("eth_getBlockByNumber") == 0, "it went on working"


def test_cancelled_at_the_last_moment(sealer: Sealer) -> None:
    """The bundle is whole and right, and still does not count."""
    evidence_id = sealer.ask()

    def cancel(bundle: Path, case: Path) -> Verdict:
        sealer.cancel(evidence_id)
        return verify(bundle=bundle, case=case, anchors=())

    sealer.checked_by(cancel).work()
    row = sealer.row(evidence_id)
    assert (row.state, row.path, row.root) == ("cancelled", None, None)
    assert sealer.left_of(evidence_id) == []


class Killed(BaseException):
    """The process ends here, as at a power cut: nothing after it runs, and nobody records a failure."""


def test_interrupted(sealer: Sealer) -> None:
    """The row is left running beside a half-made folder; the next pass starts anew, and seals."""
    evidence_id = sealer.ask()

    def die(bundle: Path, case: Path) -> Verdict:
        (bundle.parent / "half.part").write_bytes(b"x")
        raise Killed

    with pytest.raises(Killed):
        sealer.checked_by(die).work()
    assert sealer.row(evidence_id).state == "running"
    assert "half.part" in sealer.left_of(evidence_id)
    sealer.work()
    row = sealer.row(evidence_id)
    assert row.state == "sealed", row.failure
    assert sealer.left_of(evidence_id) == ["case.json", f"quittance-{evidence_id}.zip"]
    assert verdict_on(row).exit_code == CONDITIONAL


def test_interrupted_while_the_nodes_are_asked(sealer: Sealer) -> None:
    evidence_id = sealer.ask()
    staging = sealer.folder / evidence_id / "staging" / "data" / "providers"
    staging.mkdir(parents=True)
    (staging / "000001.answer.json").write_bytes(b"half an ans")
    with sealer.scene.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE evidence SET state = 'running' WHERE id = ?", (evidence_id,))
    sealer.work()
    assert sealer.row(evidence_id).state == "sealed"
    assert sealer.left_of(evidence_id) == ["case.json", f"quittance-{evidence_id}.zip"]


def test_a_bundle_that_the_verifier_rejects_does_not_count(sealer: Sealer) -> None:
    def dislike(_bundle: Path, _case: Path) -> Verdict:
        return rejected(file="data/case.json", reason="is not liked")

    strict = sealer.checked_by(dislike)
    assert strict.failure() == (
        "The verifier rejected the bundle (data/case.json: is not liked). Nothing was sealed."
    )


def test_a_fault_of_ours_holds_nobody_up(sealer: Sealer, caplog: pytest.LogCaptureFixture) -> None:
    """The first of two rows meets a bug: it fails once, in a plain sentence, and the second is sealed."""
    first, second_id = sealer.ask(), sealer.ask()

    def trip(bundle: Path, case: Path) -> Verdict:
        if first in bundle.name:
            msg = "a bug"
            raise TypeError(msg)
        return verify(bundle=bundle, case=case, anchors=())

    sealer.checked_by(trip).work()
    row = sealer.row(first)
    assert (row.state, row.failure) == (
        "failed",
        "A fault of this software (TypeError), not of the request. It was logged.",
    )
    assert sealer.left_of(first) == []
    assert sealer.row(second_id).state == "sealed"


def test_a_folder_that_can_not_be_written(sealer: Sealer) -> None:
    """Where the folder should be stands a file: nothing can be written."""
    sealer.folder.mkdir()
    evidence_id = sealer.ask()
    (sealer.folder / evidence_id).write_bytes(b"")
    sealer.work()
    row = sealer.row(evidence_id)
    assert row.state == "failed"
    assert row.failure
