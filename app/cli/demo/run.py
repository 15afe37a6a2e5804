"""The demo's steps, and its answer as one document."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.api.fields import CHECKSUMMED
from app.cli.demo import story
from app.cli.demo.service import Api, serving
from app.clock import from_unix_seconds, to_rfc3339, utc_now
from app.db import reading
from app.errors import EnvironmentProblem
from app.evidence.reader import open_bag
from app.ingest.follow import follow_chain
from app.ingest.read import ReadProgress
from app.ingest.store.chains import find_chain
from app.main import sealing_tools
from app.resources import Resources, build_resources
from app.settings import Settings
from app.tenants.service import first_start
from app.verifier.anchor import Anchor
from app.verifier.verdict import Verdict
from app.verifier.verify import verify
from app.worker.loop import seal_queued
from chains.devnode import DevNode, start_dev_node
from chains.guard import EgressPolicy
from chains.rpc import RpcClient
from chains.types import AccountId, Address, AssetId, ChainId

# Random, so that nobody takes the demo's chain for another; in the range that no real chain uses.
_CHAIN_IDS = range(10**9, 2**31)
_PARTIES = {"creditor": "Harbour Lending Ltd", "debtor": "Ada Lin"}


# Given the service's URL, the operator's key, the demo's document, and what `check` can be asked about its
# chain.
Keep = Callable[[str, str, dict[str, Any], dict[str, str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """How the demo is shown: a line for each step, a bar for the reading."""

    step: Callable[[str], None]
    told: Callable[[str], None]
    progress: Callable[[ReadProgress], None]


class AnvilMissing(EnvironmentProblem):
    """There is no test node to play on."""


def run_demo(*, folder: Path, watcher: Watcher, keep: Keep | None = None) -> dict[str, Any]:
    """Play the story and answer with the document that `--json` prints. Raises EnvironmentProblem.

    `keep` is called with that document while service and node are still up.
    """
    now = utc_now()
    chain_id = _CHAIN_IDS[secrets.randbelow(len(_CHAIN_IDS))]
    home = folder / f"{now:%Y%m%dT%H%M%S}-{chain_id}"
    start = int((now - timedelta(days=story.DAYS_BACK)).timestamp())
    watcher.step("A chain of its own: Anvil, started 200 days in the past")
    with start_dev_node(anvil=_anvil(), timestamp=start, chain_id=chain_id) as node:
        settings = Settings(
            database_url=None,
            data_dir=home,
            egress_allow=(f"127.0.0.1:{node.port}",),
            operator_name="the demo of Quittance",
            operator_relation="not related to either party",
        )
        resources = build_resources(settings)
        try:
            return _play(node=node, resources=resources, watcher=watcher, home=home, keep=keep)
        finally:
            resources.close()


def _anvil() -> Path:
    path = os.environ.get("QUITTANCE_ANVIL")
    if not path or not Path(path).is_file():
        msg = "The demo needs the Anvil test node; start it as `./run demo`, which fetches one."
        raise AnvilMissing(msg)
    return Path(path)


def _play(
    *, node: DevNode, resources: Resources, watcher: Watcher, home: Path, keep: Keep | None
) -> dict[str, Any]:
    egress = EgressPolicy.parse(f"127.0.0.1:{node.port}")
    with RpcClient(node.url, policy=egress) as rpc:
        stage = story.set_stage(node=node, rpc=rpc, told=watcher.told)
        story.lend(stage, told=watcher.told)
        with resources.engine.begin() as connection:
            key = first_start(connection, now=resources.clock())
        assert key is not None  # noqa: S101 - the database was made a moment ago.
        with serving(resources, key=key.plain) as api:
            watcher.step("The debt is recorded through the HTTP API")
            debt_id = _record(api, stage=stage)
            watcher.step("Time moves")
            story.play(stage, told=watcher.told)
            watcher.step("The chain is read: every Transfer from or to the parties' accounts, in any token")
            _read(resources, chain=node.chain, watcher=watcher)
            watcher.step("The debt is assessed")
            assessment = api.get(f"/v1/debts/{debt_id}/assessment")
            watcher.step("The bundle is built, from answers asked for again, and sealed")
            evidence = _seal(api, resources=resources, debt_id=debt_id)
            watcher.step("The bundle is verified offline; then one byte is flipped")
            document = {"debt_id": debt_id, "assessment": assessment, **_check(evidence, home=home)}
            if keep is not None:
                keep(str(api.client.base_url), key.plain, document, _asked(stage))
    return document


def _asked(stage: story.Stage) -> dict[str, str]:
    """What `quittance check` takes to be asked about this chain, for as long as its node runs."""
    return {
        "chain": str(stage.node.chain),
        "node": stage.node.url,
        "to": CHECKSUMMED.address(stage.cast.creditor),
        "since": to_rfc3339(from_unix_seconds(stage.agreed_time)),
    }


def _record(api: Api, *, stage: story.Stage) -> str:
    chain = stage.node.chain
    api.put(
        f"/v1/chains/{chain}",
        {
            "name": "Demo chain",
            "rpc_urls": [stage.node.url],
            "native": {"symbol": "ETH", "decimals": 18},
            "finality": {"tag": "finalized"},
        },
    )
    asset = CHECKSUMMED.asset(AssetId(chain, stage.token))
    api.post("/v1/assets", {"asset": asset})
    agreed_at = from_unix_seconds(stage.agreed_time)
    ids = {
        role: _party(api, role=role, address=address, chain=chain, agreed_at=agreed_at)
        for role, address in (("creditor", stage.cast.creditor), ("debtor", stage.cast.debtor))
    }
    debt = api.post(
        "/v1/debts",
        {
            "reference": "LOAN-2026-7",
            "creditor_id": ids["creditor"],
            "debtor_id": ids["debtor"],
            "kind": "loan",
            "asset": asset,
            "principal": "9000",
            "agreed_at": to_rfc3339(agreed_at),
            "time_zone": "Asia/Shanghai",
            "installments": [
                {"due_at": to_rfc3339(agreed_at + timedelta(days=days)), "amount": "3000"}
                for days in story.DUE_DAYS
            ],
        },
    )
    return str(debt["id"])


def _party(api: Api, *, role: str, address: Address, chain: ChainId, agreed_at: datetime) -> str:
    account = {
        "account": CHECKSUMMED.account(AccountId(chain, address)),
        "basis": "contract",
        "from": to_rfc3339(agreed_at),
    }
    return str(api.post("/v1/parties", {"name": _PARTIES[role], "accounts": [account]})["id"])


def _read(resources: Resources, *, chain: ChainId, watcher: Watcher) -> None:
    with reading(resources.engine) as connection:
        found = find_chain(connection, chain)
    assert found is not None  # noqa: S101 - it was configured a moment ago.
    report = follow_chain(
        engine=resources.engine,
        chain=found,
        outside=resources.outside,
        clock=resources.clock,
        progress=watcher.progress,
    )
    if report.failure is not None:
        raise EnvironmentProblem(report.failure)


def _seal(api: Api, *, resources: Resources, debt_id: str) -> dict[str, Any]:
    asked = api.post(f"/v1/debts/{debt_id}/evidence", {"languages": ["en"]})
    seal_queued(tools=sealing_tools(resources))
    sealed = api.get(f"/v1/evidence/{asked['id']}")
    if sealed["state"] != "sealed":
        msg = f"The bundle was not sealed: {sealed['failure']}"
        raise EnvironmentProblem(msg)
    return {**sealed, "folder": resources.evidence_folder / sealed["id"]}


def _check(evidence: dict[str, Any], *, home: Path) -> dict[str, Any]:
    folder: Path = evidence["folder"]
    bundle, case = folder / f"quittance-{evidence['id']}.zip", folder / "case.json"
    report = folder / "report.en.pdf"
    with open_bag(bundle) as bag:
        report.write_bytes(bag.read_bytes("data/report.en.pdf", bytes_max=2**26))
    anchors = (Anchor.parse(evidence["anchor"]),)
    tampered = home / "tampered.zip"
    _flip_a_byte(bundle, into=tampered)
    return {
        "evidence": {
            "id": evidence["id"],
            "bundle": str(bundle),
            "report": str(report),
            "case": str(case),
            "anchor": evidence["anchor"],
            "grade": evidence["grade"],
        },
        "verify": verify(bundle=bundle, case=case, anchors=anchors).document(),
        "tampered": _tampered(verify(bundle=tampered, case=case, anchors=anchors)),
    }


def _flip_a_byte(bundle: Path, *, into: Path) -> None:
    """One bit of one digit of an amount, in the raw answer of a node."""
    shutil.copyfile(bundle, into)
    content = bytearray(into.read_bytes())
    at = content.rindex(b'"transactionHash":"0x') + 30
    content[at] ^= 1
    into.write_bytes(content)


def _tampered(verdict: Verdict) -> dict[str, Any]:
    return {"ok": verdict.ok, "file": verdict.file, "reason": verdict.reason}
