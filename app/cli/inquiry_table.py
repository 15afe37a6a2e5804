"""The answers of `check` and `explain` on a terminal, from the same documents that `--json` prints.

Whatever was not read and wherever endpoints differ stands above the list; the scope sentence ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from app.assessment.inflow_statements import LEGEND
from app.cli.output import out

# Where nobody looks at it, lines are long enough for two hashes, so that a script finds them whole.
_PIPED_WIDTH = 240
# A table with less room would break hashes, which nobody could copy then.
_TABLE_WIDTH_MIN = 160


def show(lines: Iterable[RenderableType]) -> None:
    console = out
    if not out.is_terminal:
        console = Console(file=out.file, width=max(out.width, _PIPED_WIDTH), highlight=False, soft_wrap=True)
    for line in lines:
        console.print(line)


def is_narrow() -> bool:
    """Whether a list is easier to read here than a table."""
    return out.is_terminal and out.width < _TABLE_WIDTH_MIN


def inflow_lines(
    document: dict[str, Any], *, rows: int, only: bool, narrow: bool
) -> Iterator[RenderableType]:
    for sentence in [*document["differences"], *document["gap_sentences"]]:
        yield Text(sentence, style="bold red")
    inflows = document["inflows"]
    asked = any(document["asked_for"].values())
    chosen = [each for each in inflows if not (only and asked and each["differs_in"])]
    if chosen and narrow:
        yield from _inflow_list(chosen[:rows], asked=asked)
    elif chosen:
        yield _inflow_table(chosen[:rows], asked=asked)
    else:
        yield Text("No transfer to list." if inflows else "No transfer was found in what was read.")
    yield from _left_out(inflows, listed=len(chosen[:rows]), narrowed=len(inflows) - len(chosen))
    if document["totals"]:
        yield _totals_table(document["totals"], asked=asked)
    yield from _legend(chosen[:rows])
    yield from map(Text, document["notes"])
    yield Text(document["scope_sentence"])


def _left_out(inflows: Sequence[dict[str, Any]], *, listed: int, narrowed: int) -> Iterator[Text]:
    """What the list does not show is counted here and summed below."""
    if narrowed:
        yield Text(f"{narrowed} more arrived that differ from what was asked for; the sums below hold them.")
    cut = len(inflows) - narrowed - listed
    if cut:
        yield Text(f"{cut} more are not listed (--rows, --json); the sums below hold them.")


def _inflow_table(inflows: Sequence[dict[str, Any]], *, asked: bool) -> Table:
    table = Table(show_lines=True)
    table.add_column("Time (UTC), place", overflow="fold", min_width=20)
    table.add_column("Amount, token's contract", overflow="fold", min_width=20)
    table.add_column("From; transaction", overflow="fold", min_width=20)
    if asked:
        table.add_column("As asked", overflow="fold")
    table.add_column("Flags", overflow="fold")
    for each in inflows:
        # Text, not markup: a symbol is whatever its author liked.
        table.add_row(*map(Text, _cells(each, asked=asked)))
    return table


def _inflow_list(inflows: Sequence[dict[str, Any]], *, asked: bool) -> Iterator[Text]:
    """The same cells below each other, each part on a line of its own."""
    for number, each in enumerate(inflows, start=1):
        parts = [part for cell in _cells(each, asked=asked) for part in cell.splitlines() if part]
        yield Text("\n  ".join([f"{number}. {parts[0]}", *parts[1:]]))


def _cells(each: dict[str, Any], *, asked: bool) -> list[str]:
    cells = [
        f"{each['block_time']}\nblock {each['block_number']}\nlog {each['log_index']}",
        f"{_amount(each)}\n{each['asset'].rpartition(':')[2]}",
        f"{each['from']}\n{each['tx_hash']}",
    ]
    return [*cells, *([_as_asked(each)] if asked else []), "\n".join(_flags(each))]


def _amount(each: dict[str, Any]) -> str:
    units = each["amount"] if each["amount"] is not None else f"{each['amount_units']} base units"
    return f"{units} {each['symbol'] or '(no symbol read)'}"


def _as_asked(each: dict[str, Any]) -> str:
    return f"not as asked: {', '.join(each['differs_in'])}" if each["differs_in"] else "as asked"


def _flags(each: dict[str, Any]) -> Iterator[str]:
    if each["disputed"]:
        yield "DISPUTED"
    if each["exact_amount"]:
        yield "exact amount"
    yield from each["flags"]
    if each["origins"]:
        more = each["origins_total"] - len(each["origins"])
        how = "" if each["origin_by_same_asset"] else " (by other assets)"
        yield f"origin{how}: {', '.join(each['origins'])}{f' and {more} more' if more else ''}"


def _totals_table(totals: Sequence[dict[str, Any]], *, asked: bool) -> Table:
    table = Table()
    table.add_column("Token", overflow="fold", min_width=20)
    table.add_column("Received", justify="right", overflow="fold")
    if asked:
        table.add_column("of that as asked", justify="right", overflow="fold")
    disputed = any(each["disputed"]["transfers"] for each in totals)
    if disputed:
        table.add_column("of that disputed", justify="right", overflow="fold")
    table.add_column("Left the account", justify="right", overflow="fold")
    for each in totals:
        parts = ["received", *(["as_asked"] if asked else []), *(["disputed"] if disputed else []), "sent"]
        name = f"{each['symbol'] or '(no symbol read)'}\n{each['asset'].rpartition(':')[2]}"
        table.add_row(*map(Text, [name, *(_sum(each[part]) for part in parts)]))
    return table


def _sum(total: dict[str, Any]) -> str:
    units = total["amount"] if total["amount"] is not None else f"{total['amount_units']} base units"
    return f"{units} in {total['transfers']}"


def _legend(inflows: Sequence[dict[str, Any]]) -> Iterator[Text]:
    seen = {flag for each in inflows for flag in each["flags"]}
    for flag, meaning in LEGEND.items():
        if flag.value in seen:
            yield Text(f"{flag.value}: {meaning}.")


def explanation_lines(document: dict[str, Any]) -> Iterator[RenderableType]:
    yield Text(f"Transaction {document['tx_hash']} on {document['chain']}", style="bold")
    for section in document["sections"]:
        loud = "red" if section["heading"].isupper() else ""
        yield Text(section["heading"], style=f"bold {loud}".strip())
        yield from (Text(f"  {line}", style=loud) for line in section["lines"])
