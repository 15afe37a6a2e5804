"""Evidence after the request: cancelled, downloaded whole or in part, files that are not what they were."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.door import AGREED_AT, DAY, Door, Scene, accepted, bearing, refused
from tests.support.token import Token


@pytest.fixture(scope="module")
def sealed(scene: Scene, token: Token) -> str:
    """The id of one sealed bundle."""
    token.node.set_next_block_time(AGREED_AT + 31 * DAY)
    token.node.call("evm_mine")
    token.node.mine(5)
    debt = scene.door.post("/v1/debts", scene.debt_body())
    assert scene.door.read().failure is None
    evidence_id = str(scene.door.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)["id"])
    scene.door.seal()
    assert scene.door.get(f"/v1/evidence/{evidence_id}")["state"] == "sealed"
    return evidence_id


@pytest.fixture
def folder(scene: Scene, sealed: str, tmp_path: Path) -> Iterator[Path]:
    """Where the bundle lies; put back as it was afterwards."""
    place, copy = scene.door.resources.evidence_folder / sealed, tmp_path / "copy"
    shutil.copytree(place, copy)
    yield place
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(copy, place)


def test_parts_of_a_bundle(scene: Scene, sealed: str) -> None:
    """A download that broke off goes on where it was."""
    client, url = scene.door.client, f"/v1/evidence/{sealed}/bundle.zip"
    response = client.get(url)
    whole = response.content
    disposition = response.headers["content-disposition"]
    assert disposition == f'attachment; filename="quittance-{sealed}.zip"'
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["etag"] == response.headers["etag"]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    rest = client.get(url, headers={"Range": f"bytes={len(whole) - 5}-", "If-Range": part.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole[-5:])
    changed = client.get(url, headers={"Range": "bytes=0-4", "If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, whole)
    for odd in ("bytes", "bytes=", "bytes=x-y", "lines=1-2", "bytes=5-1", "bytes=" + "9" * 5000 + "-"):
        ignored = client.get(url, headers={"Range": odd})
        assert ignored.status_code in {200, 416}, odd
        if ignored.status_code == 200:
            assert ignored.content == whole
    beyond = client.get(url, headers={"Range": f"bytes={len(whole)}-"})
    refused(beyond, status=416)
    assert beyond.headers["content-range"] == f"bytes */{len(whole)}"


def test_reports_in_other_languages(scene: Scene, sealed: str) -> None:
    for lang in ("zh-CN", "de", "../report.en", ""):
        refused(scene.door.client.get(f"/v1/evidence/{sealed}/report.pdf", params={"lang": lang}), status=422)


@pytest.mark.parametrize("name", ["bundle.zip", "report.pdf", "case.json"])
def test_files_that_are_gone(scene: Scene, sealed: str, folder: Path, name: str) -> None:
    """The operator's fault, not the caller's: 503, with what to do."""
    shutil.rmtree(folder)
    problem = refused(scene.door.client.get(f"/v1/evidence/{sealed}/{name}"), status=503)
    assert "restore it from a backup" in problem["detail"]
    assert str(folder) not in problem["detail"]


def test_a_case_file_that_is_gone(scene: Scene, sealed: str, folder: Path) -> None:
    (folder / "case.json").unlink()
    problem = refused(scene.door.client.get(f"/v1/evidence/{sealed}/case.json"), status=503)
    assert "restore it from a backup" in problem["detail"]
    assert scene.door.client.get(f"/v1/evidence/{sealed}/bundle.zip").status_code == 200


def test_a_bundle_that_was_changed(scene: Scene, sealed: str, folder: Path) -> None:
    """A report is never taken out of a bundle that does not hold."""
    (bundle,) = folder.glob("*.zip")
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    problem = refused(scene.door.client.get(f"/v1/evidence/{sealed}/report.pdf"), status=503)
    assert "was changed since" in problem["detail"]
    bundle.write_bytes(b"")
    refused(scene.door.client.get(f"/v1/evidence/{sealed}/report.pdf"), status=503)


def queued(scene: Scene) -> str:
    (debt,) = scene.door.get("/v1/debts")["items"]
    return str(scene.door.post(f"/v1/debts/{debt['id']}/evidence", {}, status=202)["id"])


def test_cancelled_evidence(scene: Scene, sealed: str) -> None:
    door = scene.door
    evidence_id = queued(scene)
    cancelled = accepted(door.client.delete(f"/v1/evidence/{evidence_id}"), status=200)
    assert cancelled["state"] == "cancelled"
    assert accepted(door.client.delete(f"/v1/evidence/{evidence_id}"), status=200) == cancelled
    door.seal()
    assert door.get(f"/v1/evidence/{evidence_id}") == cancelled
    for name in ("bundle.zip", "report.pdf", "case.json"):
        problem = refused(door.client.get(f"/v1/evidence/{evidence_id}/{name}"), status=409)
        assert "cancelled" in problem["detail"]
    assert not (door.resources.evidence_folder / evidence_id).exists()


def test_what_is_sealed_stays(scene: Scene, sealed: str) -> None:
    before = scene.door.get(f"/v1/evidence/{sealed}")
    refused(scene.door.client.delete(f"/v1/evidence/{sealed}"), status=409)
    assert scene.door.get(f"/v1/evidence/{sealed}") == before


def test_downloads_need_the_right_key(scene: Scene, sealed: str) -> None:
    door: Door = scene.door
    theirs = bearing(door.key_of_another_tenant())
    for name in ("bundle.zip", "report.pdf", "case.json"):
        url = f"/v1/evidence/{sealed}/{name}"
        refused(door.client.get(url, headers={"Authorization": ""}), status=401)
        refused(door.client.get(url, headers=bearing(door.key_with("seal"))), status=403)
        refused(door.client.get(url, headers=theirs), status=404)
