"""Compiles the contracts into contracts/artifacts with the pinned Solidity compiler; --check compares.

`python -m tools.compile_contracts [--check]`. The artifacts are committed, so that Python users need no
compiler; the same sources and settings give the same bytes, and --check proves it.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tools.contracts.workshop import CONTRACTS, package, solc_command
from tools.npm_package import PackageError

ARTIFACTS = CONTRACTS / "artifacts"
COMPILE_SECONDS_MAX = 180
# EIP-170: no chain takes a contract with more code than this.
CODE_BYTES_MAX = 24_576

# Imports by a package's name are the files of contracts/node_modules, for forge as well.
REMAPPING = ("@openzeppelin/", "node_modules/@openzeppelin/")

# The test tokens' own, whatever becomes of the escrow's: recorded test chains hold their code.
TOKEN_SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    "optimizer": {"enabled": True, "runs": 200},
}

_IMPORT = re.compile(r'^\s*import\s[^;]*?"([^"]+)"\s*;', re.MULTILINE)


class CompilerFailed(PackageError):
    """The compiler rejected a source, or did not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Sources that are compiled together: those whose contracts are wanted, and all that they import."""

    wanted: tuple[str, ...]
    sources: dict[str, str]
    settings: dict[str, Any]


def artifacts() -> dict[str, str]:
    """File name -> content of every artifact that the sources give."""
    jobs = [_job("src", TOKEN_SETTINGS), _job("src/escrow", escrow_settings())]
    found: dict[str, str] = {}
    for job in jobs:
        for name, content in _artifacts_of(job).items():
            if name in found:
                msg = f"two contracts are named {name}"
                raise CompilerFailed(msg)
            found[name] = content
    return found


def escrow_settings() -> dict[str, Any]:
    """What foundry.toml says, so that the tests run the code that is published."""
    profile = tomllib.loads((CONTRACTS / "foundry.toml").read_text("utf-8"))["profile"]["default"]
    settings: dict[str, Any] = {
        "evmVersion": profile["evm_version"],
        "metadata": {"appendCBOR": profile["cbor_metadata"], "bytecodeHash": profile["bytecode_hash"]},
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "remappings": ["=".join(REMAPPING)],
    }
    if profile.get("via_ir"):
        settings["viaIR"] = True
    return settings


def _job(folder: str, settings: dict[str, Any]) -> Job:
    wanted = tuple(path.relative_to(CONTRACTS).as_posix() for path in (CONTRACTS / folder).glob("*.sol"))
    sources: dict[str, str] = {}
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in sources:
            sources[name] = _file(name).read_text("utf-8")
            todo += [imported(target, by=name) for target in _IMPORT.findall(sources[name])]
    return Job(wanted=tuple(sorted(wanted)), sources=dict(sorted(sources.items())), settings=settings)


def _file(name: str) -> Path:
    openzeppelin = REMAPPING[1] + "contracts/"
    if name.startswith(openzeppelin):
        return package("@openzeppelin/contracts") / name.removeprefix(openzeppelin)
    return CONTRACTS / name


def imported(target: str, *, by: str) -> str:
    """The name of an imported source, as the compiler makes it."""
    if not target.startswith("."):
        return target.replace(*REMAPPING) if target.startswith(REMAPPING[0]) else target
    parts: list[str] = []
    for part in (PurePosixPath(by).parent / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _artifacts_of(job: Job) -> dict[str, str]:
    version, output = _compile(job)
    found: dict[str, str] = {}
    for source in job.wanted:
        for name, contract in output["contracts"].get(source, {}).items():
            code = contract["evm"]["bytecode"]["object"]
            # An interface has no code, and a library that is compiled into others nothing to be called.
            if not code or not any(entry["type"] not in ("error", "event") for entry in contract["abi"]):
                continue
            if len(contract["evm"]["deployedBytecode"]["object"]) // 2 > CODE_BYTES_MAX:
                msg = f"{name} has more than {CODE_BYTES_MAX} bytes of code, which no chain takes"
                raise CompilerFailed(msg)
            used = json.loads(contract["metadata"])["sources"]
            artifact = {
                "contractName": name,
                "source": source,
                "sources": {key: _sha256(job.sources[key]) for key in sorted(used)},
                "compiler": version,
                "settings": job.settings,
                "abi": contract["abi"],
                "bytecode": "0x" + code,
            }
            found[f"{name}.json"] = json.dumps(artifact, indent=1) + "\n"
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _compile(job: Job) -> tuple[str, dict[str, Any]]:
    """The compiler's version and what it made of the job."""
    wanted = ["abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode.object"]
    order = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in job.sources.items()},
        "settings": job.settings | {"outputSelection": {"*": {"*": wanted}}},
    }
    version = re.search(rb"Version: (\S+)", _solc("--version"))
    output: dict[str, Any] = json.loads(_solc("--standard-json", said=json.dumps(order).encode()))
    complaints = [entry["formattedMessage"] for entry in output.get("errors", []) if _is_ours(entry)]
    if complaints or version is None:
        raise CompilerFailed("\n".join(complaints) or "the compiler does not name its version")
    return version[1].decode(), output


def _is_ours(complaint: dict[str, Any]) -> bool:
    """Every error, and every warning about a source of ours, which has no excuse for one."""
    where = (complaint.get("sourceLocation") or {}).get("file", "")
    return complaint["severity"] == "error" or not where.startswith(REMAPPING[1])


def _solc(*words: str, said: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            [*solc_command(), *words],
            input=said,
            capture_output=True,
            timeout=COMPILE_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"the compiler took more than {COMPILE_SECONDS_MAX} seconds"
        raise CompilerFailed(msg) from error
    if done.returncode != 0:
        msg = f"the compiler did not run: {done.stderr.decode('utf-8', 'replace')[-800:]}"
        raise CompilerFailed(msg)
    return done.stdout


def check(fresh: dict[str, str]) -> list[str]:
    """The names of the artifacts that are not what the sources give."""
    kept = {path.name: path.read_text("utf-8") for path in ARTIFACTS.glob("*.json")}
    return sorted(name for name in kept.keys() | fresh.keys() if kept.get(name) != fresh.get(name))


def write() -> str:
    """Make contracts/artifacts what the sources give."""
    fresh = artifacts()
    ARTIFACTS.mkdir(exist_ok=True)
    changed = check(fresh)
    for name in changed:
        if name in fresh:
            (ARTIFACTS / name).write_text(fresh[name], "utf-8")
        else:
            (ARTIFACTS / name).unlink()
    return f"{len(fresh)} artifacts, {len(changed)} of them changed"


def main(arguments: list[str]) -> int:
    try:
        if arguments != ["--check"]:
            print(f"contracts: {write()}")
            return 0
        fresh = artifacts()
    except (PackageError, OSError) as error:
        print(f"contracts: {error}", file=sys.stderr)
        return 3
    wrong = check(fresh)
    for name in wrong:
        print(f"contracts: artifacts/{name} is not what the sources give", file=sys.stderr)
    print(f"contracts: {len(fresh)} artifacts, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
