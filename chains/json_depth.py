"""How deep a JSON text nests, told before it is parsed. Pure, for texts that anybody may have written.

The parser itself recurses in C until Python's recursion limit. A library may have raised that (py_ecc, which
web3 imports, sets 100,000), and then a depth bomb ends the process rather than the parse.
"""

from __future__ import annotations

import re
from itertools import accumulate

_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
# How each byte changes the depth.
_STEP = [{"[": 1, "{": 1, "]": -1, "}": -1}.get(chr(byte), 0) for byte in range(256)]


def is_shallow(text: bytes, *, depth_max: int) -> bool:
    """Whether no bracket outside a string opens a level below `depth_max`."""
    if b"\\" in text:
        text = _ESCAPE.sub(b"", text)
    marks = text.translate(None, _NO_STRUCTURE)
    # Two quotes in a row leave every other mark inside or outside as it was; so only strings with brackets
    # in them are left for the slower expression.
    marks = _STRING.sub(b"", marks.replace(b'""', b""))
    return max(accumulate(map(_STEP.__getitem__, marks)), default=0) <= depth_max
