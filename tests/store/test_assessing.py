"""An assessment from what is on record, with no node in reach: what was known when, and asked again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection, Engine

from app.assessment.document import LOWER_CASE, assessment_document
from app.assessment.service import Question, assess_debt
from app.debts.parties import Actor, NewAccount, NewParty, record_party
from app.debts.recording import NewDebt, NewInstallment, record_debt
from app.debts.terms import Basis
from app.errors import InvalidInput, NotFound
from app.ingest.store.assets import RegisteredAsset, add_asset, add_token
from app.ingest.store.blocks import add_blocks
from app.ingest.store.chains import Chain, put_chain
from app.ingest.store.coverage import Coverage, add_coverage, record_accounts
from app.ingest.store.transfers import add_transfers
from app.resources import Operator, Outside
from app.tenants.service import create_tenant
from chains.guard import EgressPolicy
from chains.rpc import RpcLimits
from chains.types import AccountId, Address, Finality, Transfer
from tests.factories import (
    AGREED_AT,
    CHAIN,
    CREDITOR,
    DEBTOR,
    ONE,
    STRANGER,
    USDX,
    asset,
    block,
    day,
    transfer,
)

SECOND = timedelta(seconds=1)
RECORDED, READ, LATER = day(160), day(180), day(200)
FAKE = asset("fake")
OPERATOR = Operator(name="the tests", relation="none")
# No address is allowed that these tests could reach: the store has to be enough.
OUTSIDE = Outside(egress=EgressPolicy.parse(""), limits=RpcLimits(attempts=1, total_seconds=1))


class Recorded:
    """A debt of 3 x 3,000 recorded on day 160, whose chain was read on day 180 up to day 150."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with engine.begin() as connection:
            self.tenant_id = create_tenant(connection, name="tests", now=AGREED_AT).id
            self._chain(connection)
            self.debt_id = self._debt(connection)
            self._read(connection)
        self.add(transfer(day(50), 3000 * ONE), transfer(day(112), 2000 * ONE, sender=STRANGER), at=READ)

    def add(self, *sent: Transfer, at: datetime) -> None:
        with self.engine.begin() as connection:
            add_blocks(connection, chain_id=CHAIN, blocks=[each.block for each in sent], now=at)
            add_transfers(connection, transfers=sent, now=at)

    def ask(
        self, *, as_of: datetime | None = None, known_at: datetime | None = None, now: datetime = LATER
    ) -> dict[str, Any]:
        question = Question(tenant_id=self.tenant_id, debt_id=self.debt_id, as_of=as_of, known_at=known_at)
        found = assess_debt(
            engine=self.engine, question=question, operator=OPERATOR, outside=OUTSIDE, clock=lambda: now
        )
        return assessment_document(found, forms=LOWER_CASE, inline_max=None)

    def _chain(self, connection: Connection) -> None:
        chain = Chain(
            id=CHAIN,
            name="Testnet",
            native_symbol="ETH",
            native_decimals=18,
            finality=Finality(),
            start_block=0,
        )
        put_chain(connection, value=chain, rpc_urls=["http://127.0.0.1:9"], now=AGREED_AT)
        registered = RegisteredAsset(
            asset=USDX,
            name="Dollar",
            code_hash=block(AGREED_AT).hash,
            implementation=None,
            implementation_code_hash=None,
            registered_at=block(AGREED_AT),
            unfit_for=(),
            created_at=AGREED_AT,
        )
        add_asset(connection, value=registered)

    def _party(self, connection: Connection, *, name: str, account: Address, at: datetime) -> str:
        new = NewAccount(account=AccountId(CHAIN, account), basis=Basis.CONTRACT)
        party = record_party(
            connection,
            actor=Actor(tenant_id=self.tenant_id, name="tests"),
            new=NewParty(name=name, accounts=(new,)),
            now=at,
        )
        return party.id

    def _debt(self, connection: Connection) -> str:
        self.creditor_id = self._party(connection, name="Creditor", account=CREDITOR, at=RECORDED)
        self.debtor_id = self._party(connection, name="Debtor", account=DEBTOR, at=RECORDED)
        new = NewDebt(
            reference="LOAN-1",
            creditor_id=self.creditor_id,
            debtor_id=self.debtor_id,
            kind="loan",
            asset=USDX.id,
            principal="9000",
            agreed_at=AGREED_AT,
            time_zone="UTC",
            installments=tuple(
                NewInstallment(amount="3000", due_at=day(number)) for number in (60, 100, 140)
            ),
        )
        return record_debt(
            connection, actor=Actor(tenant_id=self.tenant_id, name="tests"), new=new, now=RECORDED
        ).id

    def _read(self, connection: Connection) -> None:
        first, last = block(AGREED_AT), block(day(150))
        ends = [block(AGREED_AT - SECOND), first, block(day(150) - SECOND), last]
        # The bracket of day 120, so that no node is needed to find it.
        ends += [block(day(120)), block(day(120) + SECOND)]
        add_blocks(connection, chain_id=CHAIN, blocks=ends, now=READ)
        accounts = record_accounts(connection, chain_id=CHAIN, addresses=(CREDITOR, DEBTOR))
        read = Coverage(
            accounts=accounts,
            first=first,
            last=last,
            nodes=("http://127.0.0.1:9",),
            read_at=READ,
            answers=({"n": 1},),
        )
        add_coverage(connection, read=read, chain_id=CHAIN)


@pytest.fixture
def recorded(engine: Engine) -> Recorded:
    return Recorded(engine)


def test_from_the_store_alone(recorded: Recorded) -> None:
    document = recorded.ask()
    assert document["as_of"] == "2026-05-30T23:59:59Z"  # a second before the last block read, of day 150
    assert document["known_at"] == "2026-07-20T00:00:00Z"
    assert (document["result"], document["applied"]) == ("PARTIAL", "3000")
    assert (document["not_covered"]["min"], document["not_covered"]["max"]) == ("4000", "6000")
    assert document["scope"]["chains"][0]["gaps"] == []
    assert document["claims"][0]["sentence"].startswith(
        "Between 2026-06-30T00:00:00Z and 2026-06-30T00:00:00Z,"
    )


def test_before_the_chain_was_read_nothing_is_determined(recorded: Recorded) -> None:
    document = recorded.ask(known_at=READ - SECOND)
    assert (document["result"], document["timing"], document["grade"]) == (
        "UNDETERMINED",
        "UNDETERMINED",
        None,
    )
    assert document["as_of"] == document["known_at"] == "2026-06-29T23:59:59Z"
    assert document["applied"] == "0"
    assert document["not_covered"]["max"] is None


def test_asked_again_with_the_times_that_were_printed_the_answer_is_the_same(recorded: Recorded) -> None:
    """Whatever has become known since."""
    now = LATER + timedelta(microseconds=123_456)
    answer = recorded.ask(now=now)
    assert answer["known_at"] == "2026-07-20T00:00:00.123456Z"
    recorded.add(transfer(day(120), 1000 * ONE), at=now + timedelta(microseconds=1))
    with recorded.engine.begin() as connection:
        add_token(
            connection,
            chain_id=CHAIN,
            contract=FAKE.id.contract or DEBTOR,
            symbol="USDX",
            decimals=6,
            now=day(300),
        )
    known_at = datetime.fromisoformat(answer["known_at"])
    assert recorded.ask(known_at=known_at, now=day(300)) == answer
    assert recorded.ask(now=day(300))["applied"] == "4000"


def test_what_will_be_known_is_not_known(recorded: Recorded) -> None:
    """A time to come is taken as now, and printed as now."""
    document = recorded.ask(known_at=day(900), now=LATER)
    assert document == recorded.ask(known_at=LATER, now=LATER)
    assert document["known_at"] == "2026-07-20T00:00:00Z"


def test_as_of_an_earlier_day(recorded: Recorded) -> None:
    document = recorded.ask(as_of=day(120))
    assert document["as_of"] == "2026-05-01T00:00:00Z"
    assert [row["timing"] for row in document["installments"]] == ["ON_TIME", "OVERDUE", "NOT_YET_DUE"]
    early = recorded.ask(as_of=day(111))
    assert early["result"] == "UNDETERMINED"  # its end is not on record, and no node tells


def test_as_of_a_time_that_was_not_reached_is_undetermined(recorded: Recorded) -> None:
    document = recorded.ask(as_of=day(170))
    assert document["result"] == "UNDETERMINED"
    (gap,) = document["scope"]["chains"][0]["gaps"]
    assert (gap["first_block"], gap["last_block"]) == (block(day(150)).number + 1, None)


def test_a_question_about_nothing_recorded_is_refused(recorded: Recorded) -> None:
    with pytest.raises(InvalidInput, match="/known_at: Nothing was known then"):
        recorded.ask(known_at=RECORDED - SECOND)
    with pytest.raises(InvalidInput, match="/as_of: The debt was agreed at 2026-01-01T00:00:00Z"):
        recorded.ask(as_of=AGREED_AT - SECOND)
    recorded.debt_id = "deb_unknown"
    with pytest.raises(NotFound):
        recorded.ask()


def test_another_tenants_debt_is_not_found(recorded: Recorded) -> None:
    with recorded.engine.begin() as connection:
        recorded.tenant_id = create_tenant(connection, name="others", now=AGREED_AT).id
    with pytest.raises(NotFound):
        recorded.ask()
