"""Every sentence about one transaction (pure): when, who, whether it succeeded, what moved, what is unknown.

No sentence says for what anything was paid, or that a transaction which nobody knows was never made.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.assessment.document import Forms
from app.assessment.inflow_statements import DOES_NOT_SAY, shown_units
from app.assessment.inflows import native_asset, top_level_move
from app.assessment.statements import block_instant
from app.assessment.transaction_values import Explanation, Told
from app.matching.passing import Movement, origins
from app.matching.resemblance import resembles
from chains.evm.execution import Execution, LogKind, ReceiptLog
from chains.types import ZERO_ADDRESS, AssetId

LISTED_MAX = 200
_CALLED = {
    LogKind.NON_INDEXED: "a transfer by an early token whose event is not indexed",
    LogKind.NFT: "an NFT",
    LogKind.MULTI: "a token of a collection (ERC-1155)",
    LogKind.WRAP: "a Deposit event, as wrapping the native coin makes one",
    LogKind.UNWRAP: "a Withdrawal event, as unwrapping the native coin makes one",
}


def nothing_known(count: int) -> str:
    """Said when every endpoint answered, and none has the transaction."""
    who = "The endpoint asked knows" if count == 1 else f"All {count} endpoints asked know"
    return (
        f"{who} no transaction with this hash on this chain. That is no evidence that nothing was paid: it "
        "may be on another chain, not mined yet, dropped by a node that keeps less, or mistyped."
    )


def lines(found: Explanation, *, forms: Forms) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Headings with their lines, in the order in which a person asks. Empty sections are left out."""
    sections = (
        ("THE ENDPOINTS DIFFER", tuple(differences(found))),
        ("When", when(found)),
        ("Who and how", who(found, forms=forms)),
        ("What moved, in order", tuple(moved(found, forms=forms))),
        ("Other events", tuple(others(found, forms=forms))),
        ("Net, per account", tuple(netted(found, forms=forms))),
        ("Passed on", tuple(passed_on(found, forms=forms))),
        ("Look twice", tuple(warnings(found, forms=forms))),
        ("This account", tuple(of_account(found, forms=forms))),
        ("What this is worth", limits(found)),
    )
    yield from ((heading, section) for heading, section in sections if section)


def when(found: Explanation) -> tuple[str, ...]:
    execution, block, final = found.execution, found.block, found.chosen.final
    if execution is None:
        return ("It is in no block yet: nothing has moved by it so far.",)
    if block is None:
        said = (
            f"Its receipt names block {execution.block_number} {execution.block_hash}, which is not the one "
            "that the chain has at this height: it was replaced, or the answer is wrong."
        )
        return (said,)
    place = f"In block {block.number} ({block.hash}) of {block_instant(block)}."
    if found.is_final:
        return (place, "That block is final.")
    last = "" if final is None else f": the last final block is {final.number}"
    return (place, f"That block is not final yet{last}. It may still be replaced.")


def who(found: Explanation, *, forms: Forms) -> tuple[str, ...]:
    transaction, execution = found.transaction, found.execution
    signed = f"Signed by {forms.address(transaction.sender)}"
    if transaction.recipient is not None:
        called = f"{signed}, sent to {forms.address(transaction.recipient)}."
    elif execution is not None and execution.created is not None:
        called = f"{signed}; it creates the contract {forms.address(execution.created)}."
    else:
        called = f"{signed}; it creates a contract."
    return (called, *_outcome(found, forms=forms))


def _outcome(found: Explanation, *, forms: Forms) -> Iterator[str]:
    execution = found.execution
    if execution is None:
        yield from _attempted(found, "It would move", forms=forms)
    elif execution.succeeded is None:
        yield "Its receipt is of a time that recorded no success or failure."
    elif execution.succeeded:
        yield "It succeeded."
    else:
        yield "It failed: nothing moved by it, except the fee that its signer paid."
        yield from _attempted(found, "It attempted to move", forms=forms)


def _attempted(found: Explanation, verb: str, *, forms: Forms) -> Iterator[str]:
    """The value and the transfer() that were called for: in a failed transaction, an attempt only."""
    attempt, transaction = found.attempt, found.transaction
    parts = []
    if transaction.value_wei:
        coin = native_asset(found.chain)
        to = transaction.recipient
        where = "a new contract" if to is None else forms.address(to)
        parts.append(f"{_amount(found, coin, transaction.value_wei, forms=forms)} to {where}")
    if attempt is not None:
        asset = AssetId(found.chain, attempt.contract)
        amount = _amount(found, asset, attempt.amount_units, forms=forms)
        parts.append(f"{amount} from {forms.address(attempt.sender)} to {forms.address(attempt.recipient)}")
    if parts:
        said = f"{verb} {'; and '.join(parts)}."
        yield said if found.execution is None else f"{said} An attempt is no transfer; it may be a tender."


def moved(found: Explanation, *, forms: Forms) -> Iterator[str]:
    movements = [*found.movements, *found.inner]
    for each in movements[:LISTED_MAX]:
        yield f"{_place(found, each)}: {_movement(found, each, forms=forms)}"
    if len(movements) > LISTED_MAX:
        yield f"and {len(movements) - LISTED_MAX} more; --json lists all"
    if not movements and found.execution is not None and found.execution.succeeded is not False:
        yield "Its value is zero, and it made no ERC-20 Transfer event."
    yield from _inner_unread(found)


def _place(found: Explanation, movement: Movement) -> str:
    if movement.log_index is not None:
        return f"log {movement.log_index}"
    execution = found.execution
    is_top = execution is not None and movement == top_level_move(execution, chain=found.chain)
    return "value" if is_top and movement in found.movements else "inside"


def _movement(found: Explanation, movement: Movement, *, forms: Forms) -> str:
    amount = _amount(found, movement.asset, movement.amount_units, forms=forms)
    if movement.sender == ZERO_ADDRESS:
        return f"{amount} created for {forms.address(movement.recipient)}"
    if movement.recipient == ZERO_ADDRESS:
        return f"{amount} of {forms.address(movement.sender)} destroyed"
    return f"{amount} from {forms.address(movement.sender)} to {forms.address(movement.recipient)}"


def _inner_unread(found: Explanation) -> Iterator[str]:
    execution = found.execution
    if execution is not None and execution.succeeded is not False and found.inner_unread:
        yield "Moves of the native coin inside the transaction were not read: no endpoint gave a trace of it."


def others(found: Explanation, *, forms: Forms) -> Iterator[str]:
    for log in found.uncounted[:LISTED_MAX]:
        yield f"log {log.raw.log_index}: {_other(log, forms=forms)}. Not counted here."
    if len(found.uncounted) > LISTED_MAX:
        yield f"and {len(found.uncounted) - LISTED_MAX} more of such; --json lists all"
    if found.other_logs:
        noun = "log" if found.other_logs == 1 else "logs"
        yield f"{found.other_logs} {noun} of other kinds, or of no known form."


def _other(log: ReceiptLog, *, forms: Forms) -> str:
    what = f"{_CALLED[log.kind]}, contract {forms.address(log.raw.contract)}"
    if log.token_id is not None:
        what += f", id {log.token_id}"
    if log.amount_units is not None:
        what += f", {log.amount_units} base units"
    if log.sender is None or log.recipient is None:
        return what
    if log.kind in {LogKind.WRAP, LogKind.UNWRAP}:
        return f"{what}, by or for {forms.address(log.sender)}"
    return f"{what}, from {forms.address(log.sender)} to {forms.address(log.recipient)}"


def netted(found: Explanation, *, forms: Forms) -> Iterator[str]:
    """Each account with what it gained and lost in the end."""
    net = found.net
    for account, held in list(net.items())[:LISTED_MAX]:
        yield f"{forms.address(account)}: {_signed(found, held, forms=forms)}"
    if len(net) > LISTED_MAX:
        yield f"and {len(net) - LISTED_MAX} more accounts; --json lists all"


def _signed(found: Explanation, held: dict[AssetId, int], *, forms: Forms) -> str:
    return ", ".join(
        f"{'+' if units > 0 else '-'}{_amount(found, asset, abs(units), forms=forms)}"
        for asset, units in held.items()
    )


def passed_on(found: Explanation, *, forms: Forms) -> Iterator[str]:
    """Who stands behind what a contract passed on, for whoever kept something of it in the end."""
    movements = [*found.movements, *found.inner]
    net = found.net
    told: set[str] = set()
    for leg in movements[:LISTED_MAX]:
        kept = net.get(leg.recipient, {}).get(leg.asset, 0) > 0
        behind = origins(movements, leg=leg) if kept and leg.amount_units else None
        if behind is None:
            continue
        names = ", ".join(forms.address(each) for each in behind.accounts)
        more = (
            f" and {behind.total - len(behind.accounts)} more" if behind.total > len(behind.accounts) else ""
        )
        how = "" if behind.same_asset else ", by way of other assets"
        said = (
            f"What {forms.address(leg.sender)} sent to {forms.address(leg.recipient)} leads back, in this "
            f"transaction, to {names}{more}{how}."
        )
        if said not in told:
            told.add(said)
            yield said


def warnings(found: Explanation, *, forms: Forms) -> Iterator[str]:
    """What is easily taken for something else: zero amounts in others' names, and addresses that resemble."""
    signer = found.transaction.sender
    for each in found.movements:
        if each.amount_units == 0 and each.log_index is not None:
            named = "" if each.sender == signer else ", whom the signer is not"
            yield (
                f"log {each.log_index} moves zero in the name of {forms.address(each.sender)}{named}: on "
                "many tokens anybody can make such an event."
            )
    yield from _look_alikes(found, forms=forms)


def _look_alikes(found: Explanation, *, forms: Forms) -> Iterator[str]:
    named = {
        account for each in [*found.movements, *found.inner] for account in (each.sender, each.recipient)
    }
    if found.attempt is not None:
        named |= {found.attempt.sender, found.attempt.recipient}
    known = sorted(named | ({found.account} if found.account is not None else set()))
    for index, one in enumerate(known[:LISTED_MAX]):
        for other in known[index + 1 : LISTED_MAX]:
            if resembles(one, [other]):
                yield f"{forms.address(one)} and {forms.address(other)} resemble each other, and are two."


def of_account(found: Explanation, *, forms: Forms) -> Iterator[str]:
    account = found.account
    if account is None or found.execution is None:
        return
    name = forms.address(account)
    held = found.net.get(account, {})
    for asset, units in held.items():
        verb = "gained" if units > 0 else "lost"
        yield f"{name} {verb} {_amount(found, asset, abs(units), forms=forms)} in this transaction."
    if not held:
        yield f"{name} neither gained nor lost anything by what is listed here."
    if account == found.transaction.sender:
        yield f"The fee that {name} paid for the transaction is not counted{_fee(found)}."


def _fee(found: Explanation) -> str:
    execution = found.execution
    if execution is None or execution.gas_price_wei is None:
        return ""
    return f" ({execution.gas_used * execution.gas_price_wei} base units for its gas)"


def differences(found: Explanation) -> Iterator[str]:
    """Both stories, where the endpoints tell two."""
    if found.differing:
        yield f"{_label(found.chosen)}: {_story(found.chosen)}. That is what is explained below."
        yield from (f"{_label(each)}: {_story(each)}." for each in found.differing)


def _story(told: Told) -> str:
    found = told.found
    if found is None:
        return "knows no such transaction"
    if not isinstance(found, Execution):
        return "has it in no block"
    outcome = {True: "succeeded", False: "failed", None: "of unknown success"}[found.succeeded]
    traced = "no trace" if told.inner is None else f"{len(told.inner)} inner moves"
    held = "" if told.held is None else f", where it has block {told.held.hash}"
    return (
        f"{outcome} in block {found.block_number} {found.block_hash}{held}, {len(found.logs)} logs, "
        f"{found.transaction.value_wei} base units of value, {traced}"
    )


def limits(found: Explanation) -> tuple[str, ...]:
    """Who said so, and what follows from it and what does not."""
    failed = [f"{_label(each)} failed: {each.failure}." for each in found.told if each.failure is not None]
    answered = [each.endpoint.label for each in found.told if each.failure is None]
    compared = "and compared with nothing" if len(answered) == 1 else "and compared with each other"
    said = (
        f"On {found.chain_name} ({found.chain}), as answered by {' and '.join(answered)}, {compared}. Events "
        "are what contracts say of themselves: whether a balance moved was not checked. Other transactions "
        f"were not searched. {DOES_NOT_SAY}"
    )
    return (*failed, said)


def _label(told: Told) -> str:
    label = told.endpoint.label
    return label[:1].upper() + label[1:]


def _amount(found: Explanation, asset: AssetId, units: int, *, forms: Forms) -> str:
    return shown_units(units, asset=asset, token=found.token(asset), forms=forms)
