"""eth_account for tests, whose import raises Python's recursion limit (py_ecc): it is put back.

With 100,000 a depth bomb in any other test of the same process would end the process.
"""

from __future__ import annotations

import sys

_LIMIT = sys.getrecursionlimit()

from eth_account import Account  # noqa: E402

sys.setrecursionlimit(_LIMIT)

__all__ = ["Account"]
