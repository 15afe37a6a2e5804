"""Each sentence about one transaction: printed where it is true, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

from app.assessment import transaction_statements as statements
from app.assessment.document import LOWER_CASE
from app.assessment.inflow_statements import DOES_NOT_SAY
from app.assessment.inflow_values import Endpoint, TokenShown
from app.assessment.inflows import native_asset
from app.assessment.transaction_values import Explanation, Told
from chains.evm.execution import COIN_LOG_ADDRESS, Execution, LogKind, ReceiptLog
from chains.evm.inner_moves import InnerMove
from chains.evm.transfers import NotTransfer, OtherLog
from chains.types import ZERO_ADDRESS, Address
from tests.factories import (
    CHAIN,
    CREDITOR,
    DEBTOR,
    ONE,
    STRANGER,
    USDX,
    address,
    asset,
    day,
    look_alike,
    transfer,
)
from tests.inflow_factories import FIRST, KNOWN_TOKEN, LAST, PAID, ROUTER, execution
from tests.support.token import calldata

COIN = TokenShown(symbol="ETH", decimals=18)
DOLLAR = f"USDX ({USDX.id.contract})"


def explained(
    executed: Execution,
    *others: Told,
    account: Address | None = None,
    inner: tuple[InnerMove, ...] | None = (),
) -> Explanation:
    chosen = Told(
        endpoint=Endpoint(number=1, url="https://node1.example"),
        found=executed,
        held=PAID.block,
        final=LAST,
        inner=inner,
    )
    return Explanation(
        chain=CHAIN,
        chain_name="Testnet",
        account=account,
        told=(chosen, *others),
        chosen=chosen,
        tokens={USDX.id: KNOWN_TOKEN, native_asset(CHAIN): COIN},
    )


def pending(explanation: Explanation) -> Explanation:
    chosen = replace(explanation.chosen, found=explanation.transaction, held=None)
    return replace(explanation, chosen=chosen, told=(chosen,))


def second(explanation: Explanation, **changes: object) -> Told:
    at = Endpoint(number=2, url="https://node2.example")
    return replace(explanation.chosen, endpoint=at, **changes)  # type: ignore[arg-type]


def section(explanation: Explanation, heading: str) -> tuple[str, ...]:
    return dict(statements.lines(explanation, forms=LOWER_CASE)).get(heading, ())


def called(data: bytes, *, value: int = 0, succeeded: bool | None = False) -> Execution:
    done = replace(execution(PAID), logs=(), succeeded=succeeded)
    token = USDX.id.contract
    return replace(done, transaction=replace(done.transaction, recipient=token, input=data, value_wei=value))


def other_log(kind: LogKind) -> ReceiptLog:
    raw = OtherLog(
        block_number=PAID.block.number,
        block_hash=PAID.block.hash,
        tx_hash=PAID.tx_hash,
        log_index=4,
        contract=ROUTER,
        reason=NotTransfer.OTHER_EVENT,
    )
    return ReceiptLog(kind=kind, raw=raw)


class TestWhen:
    def test_final_and_not(self) -> None:
        final = explained(execution(PAID))
        assert section(final, "When")[1] == "That block is final."
        young = replace(final, chosen=replace(final.chosen, final=FIRST))
        assert section(young, "When")[1] == (
            f"That block is not final yet: the last final block is {FIRST.number}. It may still be replaced."
        )
        unknown = replace(final, chosen=replace(final.chosen, final=None))
        assert section(unknown, "When")[1] == "That block is not final yet. It may still be replaced."

    def test_replaced(self) -> None:
        found = explained(execution(PAID))
        gone = replace(found, chosen=replace(found.chosen, held=LAST))
        (sentence,) = section(gone, "When")
        assert "which is not the one that the chain has at this height" in sentence
        assert (gone.whole, gone.is_final) == (False, False)
        assert found.whole

    def test_in_no_block(self) -> None:
        waiting = pending(explained(execution(PAID)))
        assert section(waiting, "When") == ("It is in no block yet: nothing has moved by it so far.",)
        assert section(waiting, "What moved, in order") == ()


class TestWho:
    def test_success_and_failure(self) -> None:
        good = section(explained(execution(PAID)), "Who and how")
        assert good == (f"Signed by {STRANGER}, sent to {ROUTER}.", "It succeeded.")
        old = section(explained(execution(PAID, succeeded=None)), "Who and how")
        assert old[1] == "Its receipt is of a time that recorded no success or failure."
        bad = section(explained(called(b"")), "Who and how")
        assert bad[1:] == ("It failed: nothing moved by it, except the fee that its signer paid.",)

    def test_creations(self) -> None:
        done = execution(PAID)
        made = replace(done, created=ROUTER, transaction=replace(done.transaction, recipient=None))
        assert section(explained(made), "Who and how")[0].endswith(f"; it creates the contract {ROUTER}.")
        unmade = pending(explained(replace(made, created=None)))
        assert section(unmade, "Who and how")[0].endswith("; it creates a contract.")

    def test_an_attempt_is_named_only_where_it_failed(self) -> None:
        data = calldata("transfer(address,uint256)", CREDITOR, 5 * ONE)
        failed = section(explained(called(data, value=10**18)), "Who and how")
        assert failed[-1] == (
            f"It attempted to move 1.00 ETH (the chain's own) to {USDX.id.contract}; and 5.00 {DOLLAR} from "
            f"{STRANGER} to {CREDITOR}. An attempt is no transfer; it may be a tender."
        )
        done = section(explained(called(data, succeeded=True)), "Who and how")
        assert done[1:] == ("It succeeded.",)
        waiting = section(pending(explained(called(data))), "Who and how")
        assert waiting[-1] == f"It would move 5.00 {DOLLAR} from {STRANGER} to {CREDITOR}."


class TestMoved:
    def test_in_order_and_netted(self) -> None:
        given = transfer(day(2), 3 * ONE, recipient=ROUTER)
        passed = transfer(day(2), 3 * ONE, sender=ROUTER, log_index=1)
        inner = InnerMove(path="0", sender=ROUTER, recipient=CREDITOR, value_wei=10**18)
        found = explained(execution(given, passed, value=10**18), account=CREDITOR, inner=(inner,))
        assert section(found, "What moved, in order") == (
            f"value: 1.00 ETH (the chain's own) from {STRANGER} to {ROUTER}",
            f"log 0: 3.00 {DOLLAR} from {DEBTOR} to {ROUTER}",
            f"log 1: 3.00 {DOLLAR} from {ROUTER} to {CREDITOR}",
            f"inside: 1.00 ETH (the chain's own) from {ROUTER} to {CREDITOR}",
        )
        assert set(section(found, "Net, per account")) == {
            f"{STRANGER}: -1.00 ETH (the chain's own)",
            f"{DEBTOR}: -3.00 {DOLLAR}",
            f"{CREDITOR}: +3.00 {DOLLAR}, +1.00 ETH (the chain's own)",
        }
        assert section(found, "Passed on") == (
            f"What {ROUTER} sent to {CREDITOR} leads back, in this transaction, to {DEBTOR}.",
            f"What {ROUTER} sent to {CREDITOR} leads back, in this transaction, to {STRANGER}.",
        )
        assert section(found, "This account")[0] == f"{CREDITOR} gained 3.00 {DOLLAR} in this transaction."

    def test_nothing_is_passed_on_directly(self) -> None:
        assert section(explained(execution(PAID)), "Passed on") == ()

    def test_the_same_is_said_once(self) -> None:
        given = transfer(day(2), 2, recipient=ROUTER)
        legs = [transfer(day(2), 1, sender=ROUTER, log_index=index) for index in (1, 2)]
        assert len(section(explained(execution(given, *legs)), "Passed on")) == 1

    def test_by_way_of_other_assets(self) -> None:
        paid = transfer(day(2), 7, recipient=ROUTER, token=asset("OTHER"))
        got = transfer(day(2), 5, sender=ROUTER, log_index=1)
        (sentence,) = section(explained(execution(paid, got)), "Passed on")
        assert sentence.endswith(f"to {DEBTOR}, by way of other assets.")

    def test_created_and_destroyed(self) -> None:
        made = explained(execution(replace(PAID, sender=ZERO_ADDRESS)))
        assert section(made, "What moved, in order") == (f"log 0: 3.00 {DOLLAR} created for {CREDITOR}",)
        burnt = explained(execution(replace(PAID, recipient=ZERO_ADDRESS)))
        assert section(burnt, "What moved, in order") == (f"log 0: 3.00 {DOLLAR} of {DEBTOR} destroyed",)

    def test_what_was_not_traced_is_said(self) -> None:
        unread = (
            "Moves of the native coin inside the transaction were not read: no endpoint gave a trace of it."
        )
        assert unread in section(explained(execution(PAID), inner=None), "What moved, in order")
        assert unread not in section(explained(execution(PAID)), "What moved, in order")
        assert section(explained(called(b""), inner=None), "What moved, in order") == ()

    def test_the_chains_own_logs_stand_for_value_and_trace(self) -> None:
        coin = replace(
            PAID, contract=COIN_LOG_ADDRESS, sender=STRANGER, recipient=ROUTER, amount_units=10**18
        )
        traced = (InnerMove(path="0", sender=STRANGER, recipient=ROUTER, value_wei=10**18),)
        for inner in (None, traced):
            found = explained(execution(coin, value=10**18), inner=inner)
            assert section(found, "What moved, in order") == (
                f"log 0: 1.00 ETH (the chain's own) from {STRANGER} to {ROUTER}",
            )

    def test_nothing_at_all(self) -> None:
        quiet = explained(called(b"", succeeded=True))
        assert section(quiet, "What moved, in order") == (
            "Its value is zero, and it made no ERC-20 Transfer event.",
        )

    def test_long_lists_are_cut_and_counted(self) -> None:
        count = statements.LISTED_MAX + 3
        many = [transfer(day(2), 1, log_index=i, sender=address(f"payer {i}")) for i in range(count)]
        found = explained(execution(*many))
        assert section(found, "What moved, in order")[-1] == "and 3 more; --json lists all"
        assert section(found, "Net, per account")[-1] == "and 4 more accounts; --json lists all"


class TestOthers:
    def test_each_kind_by_its_name(self) -> None:
        nft = replace(other_log(LogKind.NFT), sender=DEBTOR, recipient=CREDITOR, token_id=7)
        wrap = replace(other_log(LogKind.WRAP), sender=CREDITOR, recipient=CREDITOR, amount_units=5)
        batch = other_log(LogKind.MULTI)
        done = replace(execution(PAID), logs=(nft, wrap, batch, other_log(LogKind.OTHER)))
        assert section(explained(done), "Other events") == (
            f"log 4: an NFT, contract {ROUTER}, id 7, from {DEBTOR} to {CREDITOR}. Not counted here.",
            (
                f"log 4: a Deposit event, as wrapping the native coin makes one, contract {ROUTER}, 5 base "
                f"units, by or for {CREDITOR}. Not counted here."
            ),
            f"log 4: a token of a collection (ERC-1155), contract {ROUTER}. Not counted here.",
            "1 log of other kinds, or of no known form.",
        )
        assert section(explained(execution(PAID)), "Other events") == ()
        two = replace(done, logs=(other_log(LogKind.OTHER),) * 2)
        assert section(explained(two), "Other events") == ("2 logs of other kinds, or of no known form.",)
        many = replace(done, logs=(nft,) * (statements.LISTED_MAX + 1))
        assert "and 1 more of such" in section(explained(many), "Other events")[-1]


class TestWarnings:
    def test_zero_in_somebodys_name(self) -> None:
        spoof = explained(execution(replace(PAID, amount_units=0)))
        assert section(spoof, "Look twice") == (
            (
                f"log 0 moves zero in the name of {DEBTOR}, whom the signer is not: on many tokens anybody "
                "can make such an event."
            ),
        )
        own = explained(execution(replace(PAID, amount_units=0, sender=STRANGER)))
        assert "whom the signer is not" not in section(own, "Look twice")[0]
        assert section(explained(execution(PAID)), "Look twice") == ()

    def test_addresses_that_resemble(self) -> None:
        alike = look_alike(CREDITOR)
        found = explained(execution(replace(PAID, recipient=alike)), account=CREDITOR)
        one, other = sorted((alike, CREDITOR))
        assert section(found, "Look twice") == (f"{one} and {other} resemble each other, and are two.",)
        assert section(replace(found, account=None), "Look twice") == ()
        data = calldata("transfer(address,uint256)", alike, 5)
        assert section(explained(called(data), account=CREDITOR), "Look twice") != ()


class TestAccount:
    def test_gained_lost_and_neither(self) -> None:
        for account, verb in ((CREDITOR, "gained"), (DEBTOR, "lost")):
            found = explained(execution(PAID), account=account)
            assert section(found, "This account") == (f"{account} {verb} 3.00 {DOLLAR} in this transaction.",)
        uninvolved = explained(execution(PAID), account=ROUTER)
        assert section(uninvolved, "This account") == (
            f"{ROUTER} neither gained nor lost anything by what is listed here.",
        )
        assert section(explained(execution(PAID)), "This account") == ()
        assert section(pending(uninvolved), "This account") == ()

    def test_the_fee_is_the_signers(self) -> None:
        signer = explained(execution(PAID), account=STRANGER)
        assert section(signer, "This account")[-1] == (
            f"The fee that {STRANGER} paid for the transaction is not counted (21000 base units for its gas)."
        )
        unpriced = explained(replace(execution(PAID), gas_price_wei=None), account=STRANGER)
        assert section(unpriced, "This account")[-1].endswith("is not counted.")


class TestEndpoints:
    def test_one_and_two_that_agree(self) -> None:
        one = explained(execution(PAID))
        assert section(one, "What this is worth") == (
            (
                "On Testnet (eip155:31337), as answered by endpoint 1 (https://node1.example), and compared "
                "with nothing. Events are what contracts say of themselves: whether a balance moved was not "
                f"checked. Other transactions were not searched. {DOES_NOT_SAY}"
            ),
        )
        two = replace(one, told=(one.chosen, second(one)))
        assert "and compared with each other" in section(two, "What this is worth")[0]
        untraced = replace(one, told=(one.chosen, second(one, inner=None)))
        for agreed in (two, untraced):
            assert (agreed.whole, section(agreed, "THE ENDPOINTS DIFFER")) == (True, ())

    def test_two_stories(self) -> None:
        one = explained(execution(PAID))
        failed = replace(execution(PAID), succeeded=False, logs=())
        inner = InnerMove(path="0", sender=ROUTER, recipient=CREDITOR, value_wei=1)
        for changes, story in (
            ({"found": failed}, "failed in block "),
            ({"found": None}, "knows no such transaction"),
            ({"found": one.transaction}, "has it in no block"),
            ({"held": LAST}, f"where it has block {LAST.hash}"),
            ({"held": None}, "succeeded in block "),
            ({"inner": (inner,)}, "1 inner moves"),
        ):
            differing = replace(one, told=(one.chosen, second(one, **changes)))
            first, other = section(differing, "THE ENDPOINTS DIFFER")
            assert first.endswith(" That is what is explained below.")
            assert other.startswith("Endpoint 2 (https://node2.example): ")
            assert story in other
            assert not differing.whole

    def test_one_that_failed(self) -> None:
        one = explained(execution(PAID))
        silent = Told(endpoint=Endpoint(number=2, url="https://node2.example"), failure="no connection")
        found = replace(one, told=(one.chosen, silent))
        failed, worth = section(found, "What this is worth")
        assert failed == "Endpoint 2 (https://node2.example) failed: no connection."
        assert "endpoint 1 (https://node1.example), and compared with nothing" in worth
        assert (found.whole, found.differing) == (False, [])


def test_what_nobody_knows_is_no_evidence() -> None:
    assert statements.nothing_known(1).startswith("The endpoint asked knows no transaction with this hash")
    assert statements.nothing_known(2).startswith("All 2 endpoints asked know no transaction")
    assert "That is no evidence that nothing was paid" in statements.nothing_known(1)
