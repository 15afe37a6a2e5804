"""The commands as users of PostgreSQL whom row-level security binds: what each may do, and what it says."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.api.fields import CHECKSUMMED
from app.clock import from_unix_seconds, to_rfc3339
from app.db import head_revision
from chains.types import AccountId
from tests.api.door import AGREED_AT, DAY
from tests.cli.terminal import Terminal
from tests.cli.test_environment import START_SECONDS_MAX, address_of, demand_plain_failure, serving
from tests.support.postgres import fresh_database
from tests.support.roles import Logins, administer, give_passwords, own_prefix
from tests.support.roles import logins as logins_of
from tests.support.token import Token

At = Callable[[str], Terminal]


@pytest.fixture
def prefix(postgres_url: str) -> Iterator[str]:
    with own_prefix(postgres_url) as name:
        yield name


@pytest.fixture
def at(tmp_path: Path, token: Token, logins: Logins) -> At:
    """A terminal that connects by this URL."""

    def terminal(url: str) -> Terminal:
        return Terminal(
            data_dir=tmp_path / "data",
            settings={
                "QUITTANCE_DATABASE_URL": url,
                "QUITTANCE_ROLE_PREFIX": logins.prefix,
                "QUITTANCE_EGRESS_ALLOW": f"127.0.0.1:{token.node.port}",
            },
        )

    return terminal


def first_key(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_serving_as_app_reads_nothing_and_says_so(at: At, logins: Logins) -> None:
    with serving(at(logins.app)) as process:
        assert process.stderr is not None
        assert process.stderr.readline().strip() == (
            f"The database user {logins.prefix}_app may not read chains or seal: "
            "run `quittance worker` for that."
        )
        url, key = address_of(process), first_key(process)
        with httpx2.Client(base_url=url, trust_env=False, timeout=START_SECONDS_MAX) as client:
            assert client.get("/readyz").json() == {"status": "ready"}
            bearer = {"Authorization": f"Bearer {key}"}
            assert client.post("/v1/parties", json={"name": "Ada"}, headers=bearer).status_code == 201
            (party,) = client.get("/v1/parties", headers=bearer).json()["items"]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=START_SECONDS_MAX)
    assert process.returncode == 0
    assert "failed" not in err
    (listed,) = at(logins.app).run_here("party", "list", "--json").document["items"]
    assert listed == party


def test_a_superuser_is_told_that_nothing_binds_him(at: At, logins: Logins) -> None:
    with serving(at(logins.owner)) as process:
        assert process.stderr is not None
        assert "sees the rows of all tenants" in process.stderr.readline()
        address_of(process)


def test_the_words_of_one_who_records_and_of_one_who_works(at: At, logins: Logins, token: Token) -> None:
    app, worker = at(logins.app), at(logins.worker)
    token.node.set_next_block_time(AGREED_AT + 31 * DAY)
    token.node.call("evm_mine")
    token.node.mine(5)
    debt_id = record(app, token=token)
    unread = app.run_here("index", "--json")
    demand_plain_failure(unread, "refuses this to its user")
    waiting = app.run_here("evidence", debt_id)
    assert (waiting.code, waiting.out) == (1, "")
    assert "waits for `quittance worker`" in waiting.err
    passed = worker.run("worker", "--once")
    assert (passed.code, passed.out, passed.err) == (0, "", "")
    # Read whole, or the result would be UNDETERMINED; and what waited is sealed.
    assessed = app.run_here("assess", debt_id, "--json").document
    assert assessed["result"] == "NONE_FOUND_IN_SCOPE"
    (bundle,) = (worker.data_dir / "evidence").glob("*/*.zip")
    assert bundle.stem.removeprefix("quittance-") in waiting.err
    # Whoever works records nothing, and has no business with keys.
    refused = worker.run_here("keys", "list")
    demand_plain_failure(refused, "refuses this to its user")


def record(app: Terminal, *, token: Token) -> str:
    chain, asset = str(token.node.chain), CHECKSUMMED.asset(token.asset)
    body: dict[str, Any] = {
        "name": "Test chain",
        "rpc_urls": [token.node.url],
        "native": {"symbol": "ETH", "decimals": 18},
        "finality": {"tag": "finalized"},
    }
    assert app.run_here("chains", "put", chain, app.write("chain.json", body)).code == 0
    assert app.run_here("asset", "add", asset).code == 0
    parties = []
    for name, address in zip(("creditor", "debtor"), token.node.accounts()[1:3], strict=True):
        account = {"account": CHECKSUMMED.account(AccountId(token.node.chain, address)), "basis": "contract"}
        path = app.write(f"{name}.json", {"name": name, "accounts": [account]})
        parties.append(app.run_here("party", "new", path, "--json").document["id"])
    debt = {
        "reference": "LOAN-7",
        "creditor_id": parties[0],
        "debtor_id": parties[1],
        "kind": "loan",
        "asset": asset,
        "principal": "9000",
        "agreed_at": to_rfc3339(from_unix_seconds(AGREED_AT)),
        "time_zone": "UTC",
        "installments": [{"due_at": to_rfc3339(from_unix_seconds(AGREED_AT + 10 * DAY)), "amount": "9000"}],
    }
    made = app.run_here("debt", "new", app.write("debt.json", debt), "--json").document
    return str(made["id"])


def test_a_database_made_with_what_the_words_print(prefix: str, postgres_url: str, tmp_path: Path) -> None:
    """From an empty server to a served database, as docs/settings.md tells it."""

    def terminal(**settings: str) -> Terminal:
        return Terminal(data_dir=tmp_path / "data", settings={"QUITTANCE_ROLE_PREFIX": prefix, **settings})

    printed = terminal().run_here("db", "roles")
    assert printed.code == 0
    administer(postgres_url, *printed.out.splitlines())
    give_passwords(postgres_url, prefix=prefix)
    with fresh_database(postgres_url) as url:
        administer(url, f'ALTER DATABASE "{sa.make_url(url).database}" OWNER TO {prefix}_migrator')
        made = logins_of(url, prefix=prefix)
        app = terminal(QUITTANCE_DATABASE_URL=made.app)
        early = app.run_here("party", "list", "--json")
        demand_plain_failure(early, "no schema yet", "QUITTANCE_MIGRATION_URL", "quittance db upgrade")
        demand_plain_failure(app.run_here("db", "upgrade"), "may not change the schema")
        migrating = terminal(QUITTANCE_DATABASE_URL=made.app, QUITTANCE_MIGRATION_URL=made.migrator)
        done = migrating.run_here("db", "upgrade", "--json")
        assert done.document == {"revision": head_revision()}
        assert app.run_here("party", "list", "--json").document["items"] == []
