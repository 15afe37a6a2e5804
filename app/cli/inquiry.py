"""`quittance check` and `quittance explain`: the first useful answer, without any record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from app.api.fields import CHECKSUMMED
from app.assessment.inflow_values import Criteria, Endpoint
from app.cli.inquiry_options import account_of, chain_of, question_of, token_of, tx_hash_of
from app.cli.inquiry_table import explanation_lines, inflow_lines, is_narrow, show
from app.cli.local import open_resources
from app.cli.output import ENVIRONMENT, AsJson, plain_errors, print_json
from app.cli.reading import bar
from app.clock import utc_now
from app.errors import Fault, InvalidInput
from app.inquiry import check as checking
from app.inquiry import explain as explaining
from app.inquiry.documents import explanation_document, inflows_document
from app.inquiry.reading import Progress
from app.inquiry.sources import Source, configured_source, given_source
from app.resources import Outside, build_outside
from app.settings import load_settings
from chains.types import ChainId

ROWS_SHOWN = 200
ROWS_SHOWN_MAX = 20_000
SECONDS_MAX = 86_400

ChainOption = Annotated[str, typer.Option("--chain", help="CAIP-2, such as eip155:1.")]
UrlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc-url",
        help="A node to ask; may be repeated, all are asked and compared. No database is opened then. A node "
        "on loopback or inside a network has to be allowed: QUITTANCE_EGRESS_ALLOW=127.0.0.1:8545",
    ),
]
ConfirmationsOption = Annotated[
    int | None,
    typer.Option(
        "--confirmations",
        min=1,
        help="With --rpc-url: how far below the head a block is final, for nodes without a `finalized` tag.",
    ),
]


ToOption = Annotated[str, typer.Option("--to", help="The account: 0x… in EIP-55 form.")]
SinceOption = Annotated[str, typer.Option("--since", help="A day (UTC), or an RFC 3339 time.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Likewise; a day counts whole.")]
FromOption = Annotated[str | None, typer.Option("--from", help="Marks what it sent; hides nothing.")]
TokenOption = Annotated[str | None, typer.Option("--token", help="0x… or CAIP-19; marks, likewise.")]
AmountOption = Annotated[str | None, typer.Option("--amount", help='"1250.50"; marks, likewise.')]
OnlyOption = Annotated[bool, typer.Option("--only", help="List what is as asked; the rest is counted.")]
RowsOption = Annotated[int, typer.Option("--rows", min=1, max=ROWS_SHOWN_MAX, help="How many are listed.")]
SecondsOption = Annotated[
    int, typer.Option("--max-seconds", min=1, max=SECONDS_MAX, help="When to stop reading.")
]
AccountOption = Annotated[str | None, typer.Option("--account", help="Says what this one gained and lost.")]
HashArgument = Annotated[str, typer.Argument(metavar="TX", help="The transaction's hash.")]


def check(  # noqa: PLR0913 - each is an option of the command.
    *,
    chain: ChainOption,
    to: ToOption,
    since: SinceOption,
    until: UntilOption = None,
    sender: FromOption = None,
    token: TokenOption = None,
    amount: AmountOption = None,
    only: OnlyOption = False,
    rpc_url: UrlOption = None,
    confirmations: ConfirmationsOption = None,
    rows: RowsOption = ROWS_SHOWN,
    max_seconds: SecondsOption = 600,
    as_json: AsJson = False,
) -> None:
    """What arrived at an account, in any token and from anyone, and what was not searched. Needs no record.

    Example: quittance check --chain eip155:1 --to 0x… --since 2026-01-01 --rpc-url https://…
    """
    with plain_errors():
        of = chain_of(chain)
        criteria = Criteria(
            sender=None if sender is None else account_of("--from", sender, chain=of),
            token=None if token is None else token_of(token, chain=of),
            amount=amount,
        )
        question = question_of(
            account=account_of("--to", to, chain=of),
            since=since,
            until=until,
            criteria=criteria,
            seconds_max=max_seconds,
            now=utc_now(),
        )
        with _asked(of, urls=rpc_url, confirmations=confirmations) as (source, outside):
            found = checking.check(question=question, source=source, outside=outside, watch=_watch)
        document = inflows_document(found, forms=CHECKSUMMED)
        print_json(document) if as_json else _show(document, rows=rows, only=only)
        if not found.whole:
            raise typer.Exit(ENVIRONMENT)


def explain(
    tx: HashArgument,
    *,
    chain: ChainOption,
    account: AccountOption = None,
    rpc_url: UrlOption = None,
    confirmations: ConfirmationsOption = None,
    as_json: AsJson = False,
) -> None:
    """What one transaction did: who sent it, what moved, for whom in the end, and what is not known of it.

    Example: quittance explain 0x… --chain eip155:1 --rpc-url https://…
    """
    with plain_errors():
        of = chain_of(chain)
        question = explaining.TransactionQuestion(
            tx_hash=tx_hash_of(tx),
            account=None if account is None else account_of("--account", account, chain=of),
        )
        with _asked(of, urls=rpc_url, confirmations=confirmations) as (source, outside):
            found = explaining.explain(question=question, source=source, outside=outside)
        document = explanation_document(found, forms=CHECKSUMMED)
        print_json(document) if as_json else show(explanation_lines(document))
        if not found.whole:
            raise typer.Exit(ENVIRONMENT)


def _show(document: dict[str, Any], *, rows: int, only: bool) -> None:
    show(inflow_lines(document, rows=rows, only=only, narrow=is_narrow()))


@contextmanager
def _asked(
    chain: ChainId, *, urls: list[str] | None, confirmations: int | None
) -> Iterator[tuple[Source, Outside]]:
    """The given nodes without any database, or the configured ones."""
    if urls:
        source = given_source(chain=chain, urls=urls, confirmations=confirmations)
        yield source, build_outside(load_settings())
        return
    if confirmations is not None:
        detail = "This goes with --rpc-url; a configured chain has its own."
        raise InvalidInput([Fault(pointer="--confirmations", detail=detail)])
    with open_resources() as resources:
        yield configured_source(engine=resources.engine, chain=chain), resources.outside


@contextmanager
def _watch(endpoint: Endpoint) -> Iterator[Progress]:
    with bar(endpoint.label) as progress:
        yield progress
