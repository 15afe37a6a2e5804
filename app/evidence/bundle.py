"""Putting a bundle together: the question, the raw answers, what they say, the ledger, the report.

The order is that of the format: raw data, manifest (R), report, bag manifests. The zip is written last,
under its final name only when it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import noto_cjk_sans_otc
import structlog

from app.assessment import statements
from app.assessment.assess import assess
from app.assessment.document import LOWER_CASE, Forms, assessment_document
from app.assessment.values import Assessment, Facts, ScopeRow
from app.clock import Clock
from app.errors import QuittanceError
from app.evidence.asking import Asked, Asker
from app.evidence.builder import BagBuilder
from app.evidence.case import Case, case_document
from app.evidence.chainfile import blocks_document, folder_of_chain, same_block, transfers_document
from app.evidence.container import FileDigest
from app.evidence.exchange import REQUESTS, Exchange, exchanges_document, reading_of
from app.evidence.instructions import verify_text
from app.evidence.replay import Replay, contents_of, ranges_to_ask
from app.evidence.report.build import Sealing, build_content
from app.evidence.report.render import render_report
from app.ingest.nodes import open_node
from app.ingest.receipts import HiddenLog
from app.ingest.store.chains import Node
from app.ingest.window_check import check_window
from app.resources import Outside
from chains.errors import ChainError
from chains.evm.rows import row_of_transfer
from chains.types import Address, ChainId, Transfer

log = structlog.get_logger(__name__)
PRODUCT = "Quittance"
# Chinese, Japanese and Korean names; typst's own fonts hold the other scripts.
CJK_FONTS = Path(noto_cjk_sans_otc.__file__).parent
Step = Callable[[str, int, int], None]


class NotSealable(QuittanceError):
    """This question can't be answered in a bundle now. The sentence says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A bundle on disk, and what it says. It counts only after the verifier has accepted it."""

    digest: FileDigest
    root: str
    assessment: Assessment
    case: Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that building takes: the case without its answers, the store's transfers, the nodes."""

    case: Case
    facts: Facts
    nodes: Mapping[ChainId, Sequence[Node]]
    folder: Path
    target: Path
    forms: Forms


def build_bundle(*, request: Request, outside: Outside, clock: Clock, step: Step) -> Built:
    """Ask, compare, judge, write. Raises NotSealable where a node contradicts what was read."""
    case = request.case
    _demand_window(case)
    builder = BagBuilder(folder=request.folder, evidence_id=case.evidence_id)
    asker = Asker(builder=builder, clock=clock, step=lambda done: step("asking the nodes again", done, done))
    transfers: list[Transfer] = []
    for row in case.scope:
        replay = _ask_chain(asker, request=request, row=row, outside=outside)
        found = replay.transfers()
        _compare(found, request.facts, row=row, replay=replay)
        _check_hidden(found, request=request, row=row, outside=outside, step=step)
        folder = folder_of_chain(row.chain)
        builder.add_json(f"{folder}/transfers.json", transfers_document(found))
        builder.add_json(f"{folder}/blocks.json", blocks_document(replay.blocks.values()))
        transfers += found
    step("assessing", len(asker.exchanges), len(asker.exchanges))
    assessment = _judge(case, transfers=transfers, exchanges=asker.exchanges)
    builder.add_json(REQUESTS, exchanges_document(asker.exchanges))
    builder.add_json("data/case.json", case_document(case))
    ledger = assessment_document(assessment, forms=LOWER_CASE, inline_max=None)
    builder.add_json("data/ledger.json", {"format": 1, "assessment": ledger})
    builder.add_bytes("VERIFY.md", verify_text(case))
    manifest = builder.seal_manifest()
    step("writing the report", len(asker.exchanges), len(asker.exchanges))
    builder.add_bytes(
        "data/report.en.pdf",
        _report(assessment, case=case, root=manifest.root, manifest=manifest.content, forms=request.forms),
    )
    step("writing the bundle", len(asker.exchanges), len(asker.exchanges))
    digest = builder.finish(created_on=case.created_at.date(), target=request.target)
    return Built(digest=digest, root=manifest.root, assessment=assessment, case=case)


def _demand_window(case: Case) -> None:
    if any(row.after is None for row in case.scope):
        msg = "No final block later than as_of was read yet, so there is no anchor. Read the chain first."
        raise NotSealable(msg)
    if any(row.first is None or row.last is None for row in case.scope):
        msg = (
            "No block lies between the agreement and as_of: there is nothing to show. Ask for a later as_of."
        )
        raise NotSealable(msg)


def _ask_chain(asker: Asker, *, request: Request, row: ScopeRow, outside: Outside) -> Replay:
    """Every node of the chain; those that answer in full must agree, and one at least must."""
    addresses = _addresses(request.case, row)
    asked = [
        asker.ask(row=row, addresses=addresses, node=node, position=position, outside=outside)
        for position, node in enumerate(request.nodes[row.chain])
    ]
    replays = [each.replay for each in asked if each.error is None]
    if not replays:
        msg = f"No node of {row.chain} answered in full: {_failures(asked)}. Try again when one does."
        raise NotSealable(msg)
    found = replays[0].transfers()
    # What a node had shown before it failed is not lost with its failure.
    if any(each.transfers() != found for each in replays[1:]) or any(
        each.replay.unlisted(found) for each in asked if each.error is not None
    ):
        msg = f"The nodes of {row.chain} disagree on which transfers the window holds. Nothing was sealed."
        raise NotSealable(msg)
    if any(each.blocks != replays[0].blocks for each in replays[1:]):
        msg = f"The nodes of {row.chain} disagree on the blocks of the window. Nothing was sealed."
        raise NotSealable(msg)
    return replays[0]


def _check_hidden(
    found: Sequence[Transfer], *, request: Request, row: ScopeRow, outside: Outside, step: Step
) -> None:
    """Hold the window against its receipts, by the first node that has them. Raises NotSealable.

    Where no node has them, the grade rests on the nodes' word, as it says.
    """
    addresses = _addresses(request.case, row)
    ends = [block for block in (row.before, row.first, row.last, row.after) if block is not None]
    for node in request.nodes[row.chain]:
        try:
            with open_node(
                url=node.url, chain=row.chain, egress=outside.egress, limits=outside.limits
            ) as client:
                check_window(
                    client,
                    accounts=addresses,
                    ranges=ranges_to_ask(row),
                    listed={row_of_transfer(each) for each in found},
                    blocks=[*ends, *(each.block for each in found)],
                    progress=lambda done, total: step("holding blocks against their receipts", done, total),
                )
        except HiddenLog as error:
            msg = f"{error}. Nothing was sealed; have the chain read by a node you trust."
            raise NotSealable(msg) from error
        except ChainError as error:
            log.warning("blocks were not held against their receipts", reason=str(error))
        else:
            return


def _addresses(case: Case, row: ScopeRow) -> list[Address]:
    """All accounts of both parties on this chain."""
    bindings = case.records.bindings
    return sorted({each.account.address for each in bindings if each.account.chain == row.chain})


def _failures(asked: Sequence[Asked]) -> str:
    return "; ".join(each.error for each in asked if each.error is not None) or "none is configured"


def _compare(found: Sequence[Transfer], facts: Facts, *, row: ScopeRow, replay: Replay) -> None:
    """What the nodes say now must be what was read: same transfers, same blocks."""
    asked = ranges_to_ask(row)
    read = {
        each.id: contents_of(each)
        for each in facts.transfers
        if each.chain == row.chain and any(part.first <= each.block.number <= part.last for part in asked)
    }
    now = {each.id: contents_of(each) for each in found}
    differing = sorted(id_ for id_ in read.keys() | now.keys() if read.get(id_) != now.get(id_))
    if differing:
        msg = (
            f"The chain was read differently before: transfer {differing[0]} "
            f"{_difference(differing[0], read=read, now=now)} ({len(differing)} in all). Nothing was sealed; "
            "have the chain read again by a node you trust."
        )
        raise NotSealable(msg)
    for block in (row.before, row.first, row.last, row.after):
        if block is not None and not same_block(replay.blocks[block.number], block):
            msg = f"Block {block.number} of {row.chain} is another one than was read. Nothing was sealed."
            raise NotSealable(msg)


def _difference(id_: str, *, read: Collection[str], now: Collection[str]) -> str:
    if id_ not in now:
        return "was read before and is no longer returned"
    return "is returned with other contents" if id_ in read else "was not read before"


def _judge(case: Case, *, transfers: list[Transfer], exchanges: Sequence[Exchange]) -> Assessment:
    reading = reading_of(exchanges, operator=case.operator, relation=case.relation)
    facts = case.facts(transfers=transfers, reading=reading)
    return assess(facts=facts, as_of=case.as_of, known_at=case.known_at)


def _report(assessment: Assessment, *, case: Case, root: str, manifest: bytes, forms: Forms) -> bytes:
    sealing = Sealing(
        product=PRODUCT,
        evidence_id=case.evidence_id,
        root=root,
        asked_by=case.asked_by,
        relation=case.relation,
        limits=(statements.COUNSEL,),
        anchor=case.scope[0].after,
    )
    content = build_content(assessment=assessment, sealing=sealing, forms=forms)
    return render_report(
        language="en",
        content=content,
        attachments={"manifest.json": manifest},
        created_at=case.created_at,
        font_paths=(CJK_FONTS,),
    )


def created_at(when: datetime) -> datetime:
    """Whole seconds: the time is printed, and a report's own metadata have no more."""
    return when.replace(microsecond=0)
