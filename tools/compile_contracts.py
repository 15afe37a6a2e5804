"""Compiles contracts/src into contracts/artifacts with the pinned Solidity compiler; --check compares.

`python -m tools.compile_contracts [--check]`. The artifacts are committed, so that Python users need no
compiler; the same sources and settings give the same bytes, and --check proves it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.npm_package import PackageError, Pin, download, node

CONTRACTS = Path(__file__).resolve().parent.parent / "contracts"
SOLC = Pin(
    name="solc",
    version="0.8.37",
    sha512="ieUYdPDRGNKMsZpCfi9tY64Q+ASoL8tyhLuvf9cFiqDs+6ijlx8Wn2CRi0N71AlCvRx0V092rlUYu3b3PuxWlA==",
    member="package/soljson.js",
)
SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    "optimizer": {"enabled": True, "runs": 200},
}
COMPILE_SECONDS_MAX = 180

# soljson.js is the whole compiler; two of its C functions are all that is needed of it.
_DRIVER = """
const soljson = require(process.argv[1]);
const version = soljson.cwrap('solidity_version', 'string', []);
const compile = soljson.cwrap('solidity_compile', 'string', ['string', 'number', 'number']);
const input = require('fs').readFileSync(0, 'utf8');
const run = () => process.stdout.write(JSON.stringify({
  version: version(), output: JSON.parse(compile(input, 0, 0)),
}));
if (soljson.calledRun) run(); else soljson.onRuntimeInitialized = run;
"""


class CompilerFailed(PackageError):
    """The compiler rejected a source, or did not run."""


def artifacts() -> dict[str, str]:
    """File name -> content of every artifact that the sources give."""
    sources = {path.name: path.read_text("utf-8") for path in sorted((CONTRACTS / "src").glob("*.sol"))}
    answer = _compile(sources)
    found: dict[str, str] = {}
    for source, contracts in answer["output"]["contracts"].items():
        for name, contract in contracts.items():
            code = contract["evm"]["bytecode"]["object"]
            if not code:  # An interface.
                continue
            artifact = {
                "contractName": name,
                "source": f"src/{source}",
                "sourceSha256": hashlib.sha256(sources[source].encode()).hexdigest(),
                "compiler": answer["version"],
                "settings": SETTINGS,
                "abi": contract["abi"],
                "bytecode": "0x" + code,
            }
            found[f"{name}.json"] = json.dumps(artifact, indent=1) + "\n"
    return found


def _compile(sources: dict[str, str]) -> dict[str, Any]:
    job = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": SETTINGS | {"outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}}},
    }
    with tempfile.TemporaryDirectory(prefix="quittance-solc-") as folder:
        compiler = Path(folder) / "soljson.js"
        compiler.write_bytes(download(SOLC))
        done = subprocess.run(
            [str(node()), "-e", _DRIVER, str(compiler)],
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=COMPILE_SECONDS_MAX,
            check=False,
        )
    if done.returncode != 0:
        msg = f"the compiler did not run: {done.stderr.decode('utf-8', 'replace')[-800:]}"
        raise CompilerFailed(msg)
    answer: dict[str, Any] = json.loads(done.stdout)
    complaints = [entry["formattedMessage"] for entry in answer["output"].get("errors", [])]
    if complaints:  # Warnings too: a test contract has no excuse for one.
        raise CompilerFailed("\n".join(complaints))
    return answer


def main(arguments: list[str]) -> int:
    folder = CONTRACTS / "artifacts"
    try:
        fresh = artifacts()
    except PackageError as error:
        print(f"contracts: {error}", file=sys.stderr)
        return 3
    if arguments != ["--check"]:
        folder.mkdir(exist_ok=True)
        for name, content in fresh.items():
            (folder / name).write_text(content, "utf-8")
        print(f"contracts: wrote {len(fresh)} artifacts")
        return 0
    kept = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    wrong = sorted(name for name in kept.keys() | fresh.keys() if kept.get(name) != fresh.get(name))
    for name in wrong:
        print(f"contracts: artifacts/{name} is not what the sources give", file=sys.stderr)
    print(f"contracts: {len(fresh)} artifacts, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
