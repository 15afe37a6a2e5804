"""RLP, the encoding that chain hashes are taken over: written, and read so strictly that it has one form.

https://ethereum.org/en/developers/docs/data-structures-and-encoding/rlp/ - standard library only. It knows
items (bytes) and lists of items, not what they mean. Reading bounds size, depth and number of items, since a
few kilobytes of nested empty lists would otherwise take megabytes of memory or the stack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from chains.errors import ChainError

Item: TypeAlias = bytes | Sequence["Item"]
Decoded: TypeAlias = bytes | list["Decoded"]

SIZE_MAX = 16 * 1024 * 1024
DEPTH_MAX = 16
ITEMS_MAX = 1_000_000

EMPTY_STRING = b"\x80"
EMPTY_LIST = b"\xc0"


class BadRlp(ChainError):
    """Bytes that are not the one canonical encoding of an item, or exceed a limit."""


# -- writing


def encode(item: Item) -> bytes:
    """Bytes as an item; a list or tuple of items as a list."""
    if isinstance(item, bytes | bytearray | memoryview):
        return encode_bytes(bytes(item))
    if isinstance(item, list | tuple):
        return encode_list([encode(one) for one in item])
    msg = f"RLP holds bytes and lists, not {type(item).__name__}"
    raise TypeError(msg)


def encode_bytes(value: bytes) -> bytes:
    size = len(value)
    if size == 1 and value[0] < 0x80:
        return value
    if size < 56:
        return _BYTES_PREFIX[size] + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return _BYTES_PREFIX[55 + len(length)] + length + value


def encode_int(value: int) -> bytes:
    """A number: big-endian, without leading zeros, 0 as the empty item."""
    return encode_bytes(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def encode_list(encoded: Iterable[bytes]) -> bytes:
    """A list of items that are encoded already."""
    payload = b"".join(encoded)
    return list_prefix(len(payload)) + payload


def list_prefix(size: int) -> bytes:
    """What stands before a list whose encoded items take `size` bytes."""
    if size < 56:
        return _LIST_PREFIX[size]
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return _LIST_PREFIX[55 + len(length)] + length


_BYTES_PREFIX = tuple(bytes([0x80 + size]) for size in range(64))
_LIST_PREFIX = tuple(bytes([0xC0 + size]) for size in range(64))

# -- reading


def decode(
    data: bytes, *, size_max: int = SIZE_MAX, depth_max: int = DEPTH_MAX, items_max: int = ITEMS_MAX
) -> Decoded:
    """The one item that `data` is, nothing before or after it. Raises BadRlp.

    `depth_max` counts lists within lists: 0 allows a bare item only.
    """
    if len(data) > size_max:
        msg = f"{len(data)} bytes, above the limit of {size_max}"
        raise BadRlp(msg)
    reader = _Reader(bytes(data), items_max)
    item, end = reader.item(0, len(data), depth_max)
    if end != len(data):
        msg = f"{len(data) - end} bytes after the item"
        raise BadRlp(msg)
    return item


def decode_list(
    data: bytes, *, size_max: int = SIZE_MAX, depth_max: int = DEPTH_MAX, items_max: int = ITEMS_MAX
) -> list[Decoded]:
    found = decode(data, size_max=size_max, depth_max=depth_max, items_max=items_max)
    if isinstance(found, bytes):
        msg = "a list expected, not bytes"
        raise BadRlp(msg)
    return found


def decode_int(item: Decoded, *, most: int) -> int:
    """The number of an item, which has no leading zero and is at most `most`."""
    if not isinstance(item, bytes):
        msg = "a number expected, not a list"
        raise BadRlp(msg)
    if item[:1] == b"\0":
        msg = "a number with a leading zero"
        raise BadRlp(msg)
    number = int.from_bytes(item, "big")
    if number > most:
        msg = f"a number above {most}"
        raise BadRlp(msg)
    return number


class _Reader:
    """Reads items at offsets of one buffer, counting them."""

    __slots__ = ("_data", "_left")

    def __init__(self, data: bytes, items_max: int) -> None:
        self._data = data
        self._left = items_max

    def item(self, at: int, end: int, depth: int) -> tuple[Decoded, int]:
        """The item at `at`, which has to end at or before `end`, and where it ends."""
        data = self._data
        if at >= end:
            msg = f"an item expected at byte {at}, where the data end"
            raise BadRlp(msg)
        self._left -= 1
        if self._left < 0:
            msg = "more items than the limit"
            raise BadRlp(msg)
        first = data[at]
        if first < 0x80:
            return data[at : at + 1], at + 1
        if first < 0xC0:
            start, stop = self._span(at, end, first - 0x80)
            if stop - start == 1 and data[start] < 0x80:
                msg = f"a byte below 0x80 with a length at byte {at}"
                raise BadRlp(msg)
            return data[start:stop], stop
        start, stop = self._span(at, end, first - 0xC0)
        if depth == 0:
            msg = f"lists nested deeper than the limit at byte {at}"
            raise BadRlp(msg)
        return self._items(start, stop, depth - 1), stop

    def _items(self, start: int, stop: int, depth: int) -> list[Decoded]:
        """The items that fill the bytes from `start` to `stop`."""
        data = self._data
        items: list[Decoded] = []
        while start < stop:
            after = start + data[start] - 0x7F
            # Most items are of 2 to 55 bytes, and read here: that halves the time. All others, and whatever
            # is wrong, take the long way.
            if 3 <= after - start <= 56 and after <= stop and self._left > 0:
                self._left -= 1
                items.append(data[start + 1 : after])
                start = after
            else:
                one, start = self.item(start, stop, depth)
                items.append(one)
        return items

    def _span(self, at: int, end: int, size: int) -> tuple[int, int]:
        """Where the payload of the item at `at` starts and ends. Up to 55 `size` is its length itself."""
        start = at + 1
        if size > 55:
            start, length_at = start + size - 55, start
            if start > end:
                msg = f"the length at byte {at} is cut off"
                raise BadRlp(msg)
            length = self._data[length_at:start]
            size = int.from_bytes(length, "big")
            if size < 56 or length[0] == 0:
                msg = f"a length at byte {at} that has a shorter form"
                raise BadRlp(msg)
        if start + size > end:
            msg = f"the item at byte {at} runs over the end"
            raise BadRlp(msg)
        return start, start + size
