"""The floor: the same answers fetched and thrown away, one after the other, over one connection.

By curl where there is one, else by a process that does nothing but read from a socket. No reader of logs can
be expected to be faster than this, unless it asks for several answers at once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chains.devnode import DevNode
from chains.evm.transfers import every_transfer_filter

BLOCKS_AT_ONCE = 100
SECONDS_MAX = 600

# Reads the requests of a file, one a line, and says nothing.
_PLAIN = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for line in open(sys.argv[2], "rb"):
    connection.request("POST", "/", line.strip(), {"content-type": "application/json"})
    answer = connection.getresponse()
    while answer.read(1 << 20):
        pass
"""


def tool() -> str:
    """What measures the floor here."""
    return "curl" if shutil.which("curl") else "http.client"


def every_transfer(*, first_block: int, last_block: int) -> Iterator[dict[str, Any]]:
    """The filters for all transfers of a range, a hundred blocks each."""
    for first in range(first_block, last_block + 1, BLOCKS_AT_ONCE):
        yield every_transfer_filter(first_block=first, last_block=min(first + BLOCKS_AT_ONCE - 1, last_block))


def seconds(node: DevNode, filters: Iterable[Mapping[str, Any]]) -> float:
    """How long it takes to fetch the answers to these filters, the start of the process included."""
    bodies = [
        json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [each]}, separators=(",", ":")
        )
        for each in filters
    ]
    with tempfile.TemporaryDirectory(prefix="quittance-floor-") as folder:
        path = Path(folder) / "requests"
        curl = shutil.which("curl")
        if curl is None:
            path.write_text("\n".join(bodies), "utf-8")
            command = [sys.executable, "-c", _PLAIN, str(node.port), str(path)]
        else:
            path.write_text("next\n".join(_curl_request(node.url, body) for body in bodies), "utf-8")
            command = [curl, "--silent", "--fail", "--noproxy", "*", "--config", str(path)]
        began = time.perf_counter()
        subprocess.run(command, check=True, timeout=SECONDS_MAX, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def _curl_request(url: str, body: str) -> str:
    return (
        f'url = "{url}"\nrequest = "POST"\nheader = "content-type: application/json"\n'
        f'data = {json.dumps(body)}\noutput = "/dev/null"\n'
    )
