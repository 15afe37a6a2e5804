"""`quittance asset|party|debt …`, `assess` and `evidence`: each makes the API's own request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.cli.local import open_local_api
from app.cli.output import NEGATIVE, AsJson, configure_logs, err, out, plain_errors, print_json
from app.cli.reading import read_body
from app.cli.table import assessment_lines
from app.db import reading
from app.main import sealing_tools
from app.roles import standing
from app.worker.loop import seal_queued

assets = typer.Typer(no_args_is_help=True, help="Tokens in which debts are owed.")
parties = typer.Typer(no_args_is_help=True, help="Persons and firms, with their accounts.")
debts = typer.Typer(no_args_is_help=True, help="What is owed.")


def _make(path: str, body: object, *, as_json: bool, name: str) -> None:
    with plain_errors(), open_local_api() as api:
        document = api.request("POST", path, body)
        print_json(document) if as_json else typer.echo(document[name])


def _list(path: str, *, as_json: bool, fields: tuple[str, ...]) -> None:
    with plain_errors(), open_local_api() as api:
        document = api.request("GET", path)
        if as_json:
            print_json(document)
            return
        for item in document["items"]:
            out.print("  ".join(str(item[field]) for field in fields), markup=False)


@assets.command("add")
def add_asset(asset: str, as_json: AsJson = False) -> None:
    """Pin a token by its CAIP-19 id. Example: quittance asset add eip155:1/erc20:0xdAC1…"""
    _make("/v1/assets", {"asset": asset}, as_json=as_json, name="asset")


@assets.command("list")
def list_assets(as_json: AsJson = False) -> None:
    """Registered tokens. Example: quittance asset list"""
    _list("/v1/assets", as_json=as_json, fields=("asset", "symbol", "decimals"))


@parties.command("new")
def new_party(file: Path, as_json: AsJson = False) -> None:
    """Record a party from a JSON file, as POST /v1/parties takes it. Example: quittance party new ada.json"""
    with plain_errors():
        _make("/v1/parties", read_body(file), as_json=as_json, name="id")


@parties.command("list")
def list_parties(as_json: AsJson = False) -> None:
    """Recorded parties, the first 200. Example: quittance party list"""
    _list("/v1/parties?limit=200", as_json=as_json, fields=("id", "name"))


@debts.command("new")
def new_debt(file: Path, as_json: AsJson = False) -> None:
    """Record a debt from a JSON file, as POST /v1/debts takes it. Example: quittance debt new loan.json"""
    with plain_errors():
        _make("/v1/debts", read_body(file), as_json=as_json, name="id")


@debts.command("list")
def list_debts(as_json: AsJson = False) -> None:
    """Recorded debts, the first 200. Example: quittance debt list"""
    _list("/v1/debts?limit=200", as_json=as_json, fields=("id", "reference", "principal"))


def assess(
    debt_id: str,
    as_of: Annotated[str | None, typer.Option(help="RFC 3339; default: the last final state read.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is covered, what is open, what was not searched. Example: quittance assess deb_01J…"""
    query = "" if as_of is None else f"?as_of={quote(as_of)}"
    with plain_errors(), open_local_api() as api:
        document = api.request("GET", f"/v1/debts/{quote(debt_id, safe='')}/assessment{query}")
        if as_json:
            print_json(document)
            return
        for line in assessment_lines(document):
            out.print(line)


def evidence(debt_id: str, as_json: AsJson = False) -> None:
    """Build, check and seal a bundle. It may be used against the person who produces it.

    Example: quittance evidence deb_01J…
    """
    with plain_errors(), open_local_api() as api:
        configure_logs(api.resources.settings.log_format)
        asked = api.request("POST", f"/v1/debts/{quote(debt_id, safe='')}/evidence", {})
        tools = sealing_tools(api.resources)
        with reading(api.resources.engine) as connection:
            user = standing(connection)
        if user is None or user.works:
            seal_queued(tools=tools)
        sealed = api.request("GET", f"/v1/evidence/{asked['id']}")
        folder = tools.folder / asked["id"]
        paths = {"bundle": str(folder / f"quittance-{asked['id']}.zip"), "case": str(folder / "case.json")}
        _print_evidence(sealed, paths=paths, as_json=as_json)


def _print_evidence(sealed: dict[str, Any], *, paths: dict[str, str], as_json: bool) -> None:
    if sealed["state"] == "queued":
        err.print(
            f"{sealed['id']} waits for `quittance worker`: this database user may not seal.", markup=False
        )
        raise typer.Exit(NEGATIVE)
    if sealed["state"] != "sealed":
        err.print(f"Not sealed: {sealed['failure']}", style="red", markup=False)
        raise typer.Exit(NEGATIVE)
    if as_json:
        print_json({**sealed, **paths})
        return
    out.print(
        f"{sealed['id']}: {sealed['result']}, grade {sealed['grade']}, tie {sealed['tie']}", markup=False
    )
    out.print(f"bundle {paths['bundle']}\ncase   {paths['case']}\nanchor {sealed['anchor']}", markup=False)
