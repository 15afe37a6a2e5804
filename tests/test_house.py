"""The style guide as a test: what no linter of others checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = sorted(path for folder in ("app", "chains", "tools") for path in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    path
    for path in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    if path and not path.startswith("tests/vectors/") and not path.endswith((".png", ".zip"))
)
LINES_MAX = 400
FUNCTION_LINES_MAX = 50
# Tables whose rows belong to a tenant: each query on them has to name the tenant.
TENANT_TABLES = {
    "party",
    "account_binding",
    "debt",
    "installment",
    "debt_account",
    "accepted_asset",
    "disbursement",
    "debt_event",
    "evidence",
    "idempotency_key",
    "audit_payload",
    "job",
    "job_step",
    "assessment_snapshot",
}
# Looks for work or for faults across all tenants, and shows none of it to any.
ACROSS_TENANTS = {
    ("app/jobs/store.py", "open_jobs"),
    # For the operator, who has no tenant of his own there.
    ("app/jobs/store.py", "_first"),
    ("app/jobs/store.py", "page_of_jobs"),
    ("app/audit/log.py", "replay"),
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_file_fits_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_functions_are_of_one_thought(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "versions" not in path.parts:
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_module_says_what_it_holds(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", [path for path in CODE if path.name == "__init__.py"], ids=relative)
def test_package_file_holds_a_docstring_only(path: Path) -> None:
    # A re-export there would let an import pass the linter of directions unseen.
    body = ast.parse(path.read_text("utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("path", [path for path in CODE if "tools" not in path.parts], ids=relative)
def test_amounts_meet_no_float(path: Path) -> None:
    """`float(` and `round(` are how an amount would lose a unit."""
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"float", "round"} or path.name == "rpc.py"


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_only_the_clock_reads_the_clock(path: Path) -> None:
    if relative(path) == "app/clock.py":
        return
    assert not re.search(r"datetime\.now\(|utcnow\(|[^.]time\.time\(", path.read_text("utf-8"))


def _functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            yield node


def _queries(function: ast.FunctionDef) -> Iterator[tuple[set[str], str]]:
    """The tables that a select, update or delete in this function names, with the function's own text."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in {"select", "update", "delete"}:
            names = {name.id for arg in node.args for name in ast.walk(arg) if isinstance(name, ast.Name)}
            yield names & TENANT_TABLES, ast.unparse(function)


STORES = [path for path in CODE if "migrations" not in path.parts and path.parts[-4:-3] != ("tools",)]


@pytest.mark.parametrize("path", STORES, ids=relative)
def test_every_query_on_a_tenants_rows_names_the_tenant(path: Path) -> None:
    if "sqlalchemy" not in path.read_text("utf-8"):
        return
    for function in _functions(path):
        for tables, text in _queries(function):
            if tables and (relative(path), function.name) not in ACROSS_TENANTS:
                for table in tables:
                    assert re.search(rf"{table}\.c\.tenant_id ==", text), f"{function.name}: {table}"


def test_the_tenant_test_can_fail() -> None:
    bad = ast.parse("def find(c):\n    return c.execute(sa.select(debt).where(debt.c.id == 1))").body[0]
    assert isinstance(bad, ast.FunctionDef)
    ((tables, text),) = _queries(bad)
    assert tables == {"debt"}
    assert "tenant_id ==" not in text


def test_every_tenant_table_is_in_the_list() -> None:
    """A new table with a tenant has to be watched by the test above."""
    from app.migrations import models  # noqa: PLC0415 - loads every table.
    from app.tables import metadata  # noqa: PLC0415

    assert models.__doc__
    with_tenant = {table.name for table in metadata.tables.values() if "tenant_id" in table.columns}
    # A key is found by itself, before its tenant is known; it is never listed without one.
    assert with_tenant - {"api_key"} == TENANT_TABLES


FORBIDDEN_TEXTS = {
    "a path of somebody's machine": re.compile(r"/work/(?:main|shared)|/tmp/(?:w|bash)|/root/"),
    "a registry's host": re.compile(r"pypi\.org|pythonhosted|npmjs|registry\.npm|deb\.debian"),
    "a word about who wrote it": re.compile(r"(?i)\bchatgpt\b|\banthropic\b|\bllm\b|\bai assistant\b"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_repo_speaks_of_the_product_alone(name: str) -> None:
    if name == "tests/test_house.py":
        return
    text = (ROOT / name).read_text("utf-8", "replace")
    for what, pattern in FORBIDDEN_TEXTS.items():
        assert pattern.findall(text) == [], what


WORDS_TO_AVOID = re.compile(
    r"(?i)\bnot paid\b|\bunpaid\b|testimony|proof of absence|exculpatory|讨债|老赖|失信"
)


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "app").rglob("*.py")), *sorted((ROOT / "app").rglob("*.typ"))],
    ids=relative,
)
def test_no_word_that_accuses(path: Path) -> None:
    assert WORDS_TO_AVOID.search(path.read_text("utf-8")) is None


def test_the_verifier_stands_alone() -> None:
    """A fresh interpreter that imports it has loaded nothing of the service."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import app.verifier.command;"
        "bad = {'httpx2', 'sqlalchemy', 'web3', 'fastapi', 'dbos', 'pydantic', 'typst', 'eth_utils'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
