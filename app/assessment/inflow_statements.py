"""Every sentence about the inflows of an account (pure): what was found, what differed, what was not read.

No sentence says whether anything was paid, and none counts as read what was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.assessment.document import Forms
from app.assessment.inflow_totals import Sum, totals
from app.assessment.inflow_values import EndpointAnswer, Flag, Inflow, Inflows, TokenShown
from app.assessment.statements import block_instant, instant
from app.clock import from_unix_seconds
from app.ingest.ranges import Blocks, common, missing
from app.matching.resemblance import same_symbol
from app.money import display_units
from chains.types import AssetId

DOES_NOT_SAY = "This does not say whether anything was paid."
SUMS_MAX = 8
NAMED_MAX = 5
NOT_SEARCHED = (
    "the native coin and moves inside transactions",
    "other chains",
    "other accounts, also of the same person, and addresses that resemble this one",
    "blocks outside the range named here",
    "balance changes without a Transfer event, and whether a balance moved where there was one",
    "payment off chain, or inside a custodian such as an exchange",
    "set-off, assignment, waiver and payment to third parties",
)
LEGEND = {
    Flag.UNKNOWN_PAYER: "not sent by the account given with --from, as far as the transaction shows",
    Flag.OTHER_ASSET: "another asset than the one given with --token",
    Flag.UNREGISTERED_ASSET: "a token that is not registered here",
    Flag.FAKE_TOKEN: "another contract under the symbol of the token that was asked for, or of a registered "
    "one: a copy, or another issue of it",
    Flag.ZERO_VALUE: "an amount of zero; on many tokens anybody can make such an event in anybody's name",
    Flag.LOOK_ALIKE: "the sender's address resembles this account's or the one given with --from, and is "
    "another",
    Flag.PASS_THROUGH: "passed on within the transaction; events of the same transaction lead back to the "
    "origin named",
    Flag.INTERNAL: "from the account to itself",
    Flag.REFUNDED: "this account later sent some of the same asset to this sender",
    Flag.MINT: "created by the token's contract: the event names no sender",
}


def shown_units(units: int, *, asset: AssetId, token: TokenShown, forms: Forms) -> str:
    """An amount as people read it, never without the contract: a symbol can be anybody's."""
    where = forms.address(asset.contract) if asset.contract is not None else "the chain's own"
    if token.decimals is None:
        return f"{units} base units of {_named(token)}({where})"
    return f"{display_units(units, decimals=token.decimals)} {_named(token)}({where})"


def _named(token: TokenShown) -> str:
    return "" if token.symbol is None else f"{token.symbol} "


def scope_sentence(found: Inflows, *, forms: Forms) -> str:
    """What was asked of whom and what was found, and in the same breath what was not searched."""
    first, last = found.window.first, found.window.last
    return (
        f"On {found.chain_name} ({found.chain}), of blocks {first.number}-{last.number} ({first.hash} of "
        f"{block_instant(first)}; {last.hash} of {block_instant(last)}), {_read(found)}, "
        f"{_count(len(found.inflows), 'transfer')} to the account {forms.address(found.account)} "
        f"{_one(len(found.inflows), 'was', 'were')} found, of any token and from anyone"
        f"{_sums(found, forms=forms)}, by asking {_endpoints(found)}. {_nature(found)} Among the things not "
        f"searched: {'; '.join(NOT_SEARCHED)}; anything not named here was not searched either. "
        f"{DOES_NOT_SAY}"
    )


def _read(found: Inflows) -> str:
    gaps = found.gaps
    if not gaps:
        return "all of which were answered for"
    return f"which were answered for except {_ranges(gaps)}, where further transfers may exist"


def _sums(found: Inflows, *, forms: Forms) -> str:
    rows = [row for row in totals(found) if row.received.count]
    if not rows:
        return ""
    sums = [_sum(row.received, row.asset, found, forms=forms) for row in rows[:SUMS_MAX]]
    if len(rows) > SUMS_MAX:
        sums.append(_count(len(rows) - SUMS_MAX, "other asset"))
    return f": {', '.join(sums)}"


def _sum(total: Sum, asset: AssetId, found: Inflows, *, forms: Forms) -> str:
    return shown_units(total.units, asset=asset, token=found.token(asset), forms=forms)


def _endpoints(found: Inflows) -> str:
    labels = [each.endpoint.label for each in found.answers]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _nature(found: Inflows) -> str:
    if len(found.answers) == 1:
        return "The answer of one endpoint was compared with no other."
    return "The endpoints were not shown to be independent of each other."


def gap_sentences(found: Inflows) -> tuple[str, ...]:
    """What was not read and why; empty where every endpoint read everything."""
    said = [_failure(each) for each in found.answers if each.failure is not None]
    if found.gaps:
        said.insert(0, f"NOT READ: {_ranges(found.gaps)}. Transfers may exist there.")
    return (*said, *_read_by_some(found))


def _failure(answer: EndpointAnswer) -> str:
    if answer.read is None:
        return f"{_label(answer)} answered for no block: {answer.failure}."
    return f"{_label(answer)} answered for {_ranges([answer.read])} and then failed: {answer.failure}."


def _read_by_some(found: Inflows) -> Iterator[str]:
    """Blocks whose transfers were compared with no second answer, though a second endpoint was asked."""
    answered = [each for each in found.answers if each.read is not None]
    if len(found.answers) < 2:
        return
    for each in answered:
        assert each.read is not None  # noqa: S101 - chosen so.
        others = [one.read for one in answered if one is not each and one.read is not None]
        alone = [part for gap in missing(each.read, read=others) for part in common([gap], each.read)]
        if alone:
            yield f"{_ranges(alone)} were answered by {each.endpoint.label} alone, and compared with nothing."


def difference_sentences(found: Inflows) -> tuple[str, ...]:
    """Where the endpoints, or an endpoint and its own receipts, can't all be right; else empty."""
    return (*_blocks_differ(found), *_transfers_differ(found))


def _blocks_differ(found: Inflows) -> Iterator[str]:
    for each in found.answers:
        if (contradiction := each.contradiction) is not None:
            yield (
                f"DIFFERENT CHAINS: {each.endpoint.label} has block {contradiction.number} as "
                f"{contradiction.other.hash} of {block_instant(contradiction.other)}, where another endpoint "
                f"has {contradiction.first.hash} of {block_instant(contradiction.first)}."
            )


def _transfers_differ(found: Inflows) -> Iterator[str]:
    for each in found.disputed[:NAMED_MAX]:
        transfer = each.transfer
        yield (
            f"THE ANSWERS DIFFER: the transfer of log {transfer.log_index} in block {transfer.block.number} "
            f"(transaction {transfer.tx_hash}) was {_told_by(found, each)}."
        )
    if len(found.disputed) > NAMED_MAX:
        rest = len(found.disputed) - NAMED_MAX
        yield f"THE ANSWERS DIFFER on {_count(rest, 'more transfer')}; each is marked in the list."


def _told_by(found: Inflows, inflow: Inflow) -> str:
    if not inflow.endpoints:
        return "left out of every eth_getLogs answer, though the receipt of its transaction holds it"
    told = [each for each in found.answers if each.endpoint.number in inflow.endpoints]
    silent = [
        each
        for each in found.answers
        if each not in told
        and each.read is not None
        and each.read.first <= inflow.transfer.block.number <= each.read.last
    ]
    if not silent:
        return f"returned by {_labels(told)}, and the receipt of its transaction does not hold it so"
    return f"returned by {_labels(told)} and not by {_labels(silent)}"


def notes(found: Inflows, *, forms: Forms) -> tuple[str, ...]:
    """What a reader of the list has to know besides it."""
    return (
        *_besides(found, forms=forms),
        *_outflows(found, forms=forms),
        *_other_logs(found),
        *_same_symbols(found, forms=forms),
        *_not_looked_into(found),
        *_ends_early(found),
    )


def _besides(found: Inflows, *, forms: Forms) -> Iterator[str]:
    """What arrived that is not what was looked for: always counted, never hidden."""
    wanted = found.criteria
    if wanted.sender is None and wanted.token is None and wanted.amount is None:
        return
    matching = [each for each in found.inflows if not each.differs]
    other = [each for each in found.inflows if each.differs]
    yield (
        f"{_count(len(matching), 'transfer')} {_one(len(matching), 'is', 'are')} as asked with "
        f"{_criteria(found, forms=forms)}; {len(other)} "
        f"{_one(len(other), 'differs', 'differ')}, or could not be compared, in sender, token or amount, and "
        "may be a payment all the same."
    )


def _criteria(found: Inflows, *, forms: Forms) -> str:
    wanted = found.criteria
    told = [
        f"--from {forms.address(wanted.sender)}" if wanted.sender is not None else "",
        f"--token {forms.asset(wanted.token)}" if wanted.token is not None else "",
        f"--amount {wanted.amount}" if wanted.amount is not None else "",
    ]
    return " ".join(each for each in told if each)


def _outflows(found: Inflows, *, forms: Forms) -> Iterator[str]:
    rows = [row for row in totals(found) if row.sent.count]
    if rows:
        sums = [_sum(row.sent, row.asset, found, forms=forms) for row in rows[:SUMS_MAX]]
        more = [_count(len(rows) - SUMS_MAX, "other asset")] if len(rows) > SUMS_MAX else []
        yield (
            f"In the same blocks {_count(len(found.sent), 'transfer')} left the account: "
            f"{', '.join([*sums, *more])}. They are not set off against what arrived."
        )


def _other_logs(found: Inflows) -> Iterator[str]:
    if found.others:
        places = [f"block {each.block_number} log {each.log_index}" for each in found.others[:NAMED_MAX]]
        count = len(found.others)
        yield (
            f"{_count(count, 'event')} with the name Transfer {_one(count, 'names', 'name')} the account and "
            f"{_one(count, 'is', 'are')} no ERC-20 transfer (an NFT is none), and not in the sums: "
            f"{', '.join(places)}"
            f"{' and more' if len(found.others) > NAMED_MAX else ''}."
        )


def _same_symbols(found: Inflows, *, forms: Forms) -> Iterator[str]:
    """Tokens of this list that read alike. Which of them is meant, no symbol can say."""
    named = [
        (row.asset, symbol)
        for row in totals(found)
        if row.received.count and (symbol := found.token(row.asset).symbol) is not None
    ]
    seen: set[AssetId] = set()
    for asset, symbol in named:
        if asset not in seen:
            alike = [other for other, text in named if same_symbol(symbol, text)]
            seen.update(alike)
            if len(alike) > 1:
                contracts = [
                    forms.address(each.contract) for each in alike[:NAMED_MAX] if each.contract is not None
                ]
                yield f"{len(alike)} contracts bear the symbol {symbol}: {', '.join(contracts)}."


def _not_looked_into(found: Inflows) -> Iterator[str]:
    if found.unread_transactions:
        yield (
            f"The transactions of {_count(found.unread_transactions, 'transfer')} were not looked into: who "
            "stands behind the sender was not searched there."
        )


def _ends_early(found: Inflows) -> Iterator[str]:
    window = found.window
    if window.until is not None and window.ends_at_final and window.last.time < window.until:
        yield (
            f"Block {window.last.number} of {block_instant(window.last)} was the last final one; what comes "
            f"after it until {instant(from_unix_seconds(window.until))} was not searched."
        )


def _label(answer: EndpointAnswer) -> str:
    label = answer.endpoint.label
    return label[:1].upper() + label[1:]


def _labels(answers: Sequence[EndpointAnswer]) -> str:
    return ", ".join(each.endpoint.label for each in answers)


def _ranges(ranges: Sequence[Blocks]) -> str:
    named = [f"{each.first}-{each.last}" if each.first < each.last else f"{each.first}" for each in ranges]
    return f"{'block' if len(named) == 1 and '-' not in named[0] else 'blocks'} {', '.join(named)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _one(number: int, one: str, more: str) -> str:
    return one if number == 1 else more
