"""Every word of the terminal: its help, what it does with wrong input, and keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from app.cli.commands import app
from app.tenants.model import SCOPES
from tests.cli.terminal import Terminal

UNKNOWN = "00J00000000000000000000000"


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, from the program itself."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from ((name, sub) for sub in command.commands)
        else:
            yield (name,)


def test_the_words_are_those_of_the_documents() -> None:
    words = {" ".join(each) for each in commands()}
    assert words >= {
        *("demo", "serve", "worker", "index", "assess", "evidence", "verify", "db upgrade"),
        *("chains put", "chains list", "asset add", "asset list", "party new", "party list"),
        *("debt new", "debt list", "keys new", "keys list", "keys revoke"),
    }


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_has_an_example(
    terminal: Terminal, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said = terminal.run_here(*words, "--help")
    # The verifier parses for itself, with the standard library alone, and prints past the runner.
    text = said.out + capsys.readouterr().out
    assert said.code == 0
    assert f"Example: quittance {' '.join(words)}" in " ".join(text.replace("│", " ").split())
    assert not terminal.data_dir.exists(), "asking for help makes nothing"


@pytest.mark.parametrize(
    "words", [each for each in commands() if each[0] not in {"serve", "worker"}], ids=" ".join
)
def test_every_answer_can_be_had_as_json(
    terminal: Terminal, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said = terminal.run_here(*words, "--help")
    assert "--json" in said.out + capsys.readouterr().out


def test_wrong_usage(terminal: Terminal) -> None:
    for words in (("frobnicate",), ("assess",), ("party", "new"), ("keys", "new", "x", "--scop", "read")):
        said = terminal.run_here(*words)
        assert (said.code, said.out) == (2, "")
        assert "Usage:" in said.err or "No such" in said.err


def test_bodies_that_can_not_be_sent(terminal: Terminal) -> None:
    """2, the file's name, and nothing on stdout."""
    missing = str(terminal.data_dir.parent / "missing.json")
    broken, nested = terminal.write("broken.json", {}), terminal.write("nested.json", {})
    Path(broken).write_text('{"name": ', "utf-8")
    Path(nested).write_text("[" * 100_000, "utf-8")
    folder = str(terminal.data_dir.parent)
    for path in (missing, broken, nested, folder):
        for words in (
            ("party", "new", path),
            ("debt", "new", path, "--json"),
            ("chains", "put", "eip155:1", path),
        ):
            said = terminal.run_here(*words)
            assert (said.code, said.out) == (2, ""), words
            assert path in said.err


def test_what_the_api_refuses_the_terminal_refuses(terminal: Terminal) -> None:
    cases = (
        (("party", "new", terminal.write("a.json", {"name": "", "colour": 1})), ["/name: ", "/colour: "]),
        (("debt", "new", terminal.write("b.json", [])), ["valid dictionary"]),
        (("asset", "add", "eip155:1/erc20:0xdac17f958d2ee523a2206206994597c13d831ec7"), ["0xdAC17F958D2ee5"]),
        (("asset", "add", "USDC"), ["/asset: "]),
        (("assess", f"deb_{UNKNOWN}"), [f"There is no debt deb_{UNKNOWN}."]),
        (("assess", "../chains"), ["no such", "There is no", "?debt_id", "Not Found"]),
        (("assess", "x?as_of=1"), ["?debt_id: "]),
        (("assess", f"deb_{UNKNOWN}", "--as-of", "yesterday"), ["?as_of: "]),
        (("evidence", f"deb_{UNKNOWN}x y"), ["?debt_id: "]),
        (("keys", "revoke", f"key_{UNKNOWN}"), [f"There is no key key_{UNKNOWN}."]),
        (("keys", "new", "accounting", "--scope", "everything"), ["/scopes: "]),
        (("keys", "new", ""), ["/name: "]),
        (("chains", "put", "bitcoin", terminal.write("c.json", {})), ["?chain: "]),
    )
    for words, told in cases:
        said = terminal.run_here(*words)
        assert (said.code, said.out) == (2, ""), (words, said)
        assert any(each in said.err for each in told), (words, said.err)


def test_keys(terminal: Terminal) -> None:
    """Shown once, listed without the secret, revoked for good."""
    first = terminal.run("keys", "new", "accounting", "--scope", "read", "--scope", "seal", "--json").document
    assert first["scopes"] == ["read", "seal"]
    assert first["key"].startswith("qk_")
    plain = terminal.run_here("keys", "new", "reports")
    assert (plain.code, plain.err, plain.out.count("\n")) == (0, "", 1)
    assert plain.out.startswith("qk_")
    listed = terminal.run_here("keys", "list", "--json").document["items"]
    assert [(each["name"], each["scopes"]) for each in listed] == [
        ("accounting", ["read", "seal"]),
        ("reports", ["read"]),
    ]
    shown = json.dumps(listed) + terminal.run_here("keys", "list").out
    assert first["key"] not in shown
    assert plain.out.strip() not in shown
    revoked = terminal.run_here("keys", "revoke", first["id"], "--json").document
    assert revoked == {"id": first["id"], "revoked": True}
    listed = terminal.run_here("keys", "list", "--json").document["items"]
    assert [each["revoked"] for each in listed] == [True, False]
    again = terminal.run_here("keys", "revoke", first["id"])
    assert (again.code, again.out) == (2, "")
    every = [word for scope in SCOPES for word in ("--scope", scope)]
    assert terminal.run_here("keys", "new", "all", *every).code == 0


def test_upgrading_twice(terminal: Terminal) -> None:
    first = terminal.run_here("db", "upgrade", "--json").document
    assert first["revision"]
    assert terminal.run_here("db", "upgrade", "--json").document == first
