"""Keccak-256 in plain Python: slow, but there on every machine, so that a bundle needs nothing installed.

https://keccak.team/keccak_specs_summary.html - the original padding (0x01), not that of SHA-3. The round is
written out lane by lane, which is some ten times faster than loops over a table.
"""

from __future__ import annotations

import struct

RATE_BYTES = 136  # 1600 bits of state less twice the 256 bits of security.

_ROUND_CONSTANTS = (
    *(0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000),
    *(0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009),
    *(0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A),
    *(0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003),
    *(0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A),
    *(0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008),
)
_LANES = struct.Struct("<17Q")
_DIGEST = struct.Struct("<4Q")
_M = 0xFFFFFFFFFFFFFFFF


def keccak256(data: bytes) -> bytes:
    tail = len(data) % RATE_BYTES
    padding = bytearray(RATE_BYTES - tail)
    padding[0] = 0x01
    padding[-1] |= 0x80
    padded = bytes(data) + bytes(padding)
    state = [0] * 25
    for lanes in _LANES.iter_unpack(padded):
        state[:17] = [old ^ new for old, new in zip(state, lanes, strict=False)]
        state = _permute(state)
    return _DIGEST.pack(*state[:4])


def _permute(state: list[int]) -> list[int]:  # noqa: PLR0915 - one round, written out.
    """Keccak-f[1600]. Lane x + 5 y is named by the letter of its row y and its column x."""
    a0, a1, a2, a3, a4, b0, b1, b2, b3, b4, c0, c1, c2, c3, c4, d0, d1, d2, d3, d4, e0, e1, e2, e3, e4 = state
    for constant in _ROUND_CONSTANTS:
        # Theta: each lane takes up the parity of two neighbouring columns.
        p0, p1, p2 = a0 ^ b0 ^ c0 ^ d0 ^ e0, a1 ^ b1 ^ c1 ^ d1 ^ e1, a2 ^ b2 ^ c2 ^ d2 ^ e2
        p3, p4 = a3 ^ b3 ^ c3 ^ d3 ^ e3, a4 ^ b4 ^ c4 ^ d4 ^ e4
        t0, t1 = p4 ^ (p1 << 1 & _M | p1 >> 63), p0 ^ (p2 << 1 & _M | p2 >> 63)
        t2, t3 = p1 ^ (p3 << 1 & _M | p3 >> 63), p2 ^ (p4 << 1 & _M | p4 >> 63)
        t4 = p3 ^ (p0 << 1 & _M | p0 >> 63)
        a0, b0, c0, d0, e0 = a0 ^ t0, b0 ^ t0, c0 ^ t0, d0 ^ t0, e0 ^ t0
        a1, b1, c1, d1, e1 = a1 ^ t1, b1 ^ t1, c1 ^ t1, d1 ^ t1, e1 ^ t1
        a2, b2, c2, d2, e2 = a2 ^ t2, b2 ^ t2, c2 ^ t2, d2 ^ t2, e2 ^ t2
        a3, b3, c3, d3, e3 = a3 ^ t3, b3 ^ t3, c3 ^ t3, d3 ^ t3, e3 ^ t3
        a4, b4, c4, d4, e4 = a4 ^ t4, b4 ^ t4, c4 ^ t4, d4 ^ t4, e4 ^ t4
        # Rho and pi bring five rotated lanes together, chi mixes them into a row, iota breaks the symmetry.
        f0, f1, f2 = a0, b1 << 44 & _M | b1 >> 20, c2 << 43 & _M | c2 >> 21
        f3, f4 = d3 << 21 & _M | d3 >> 43, e4 << 14 & _M | e4 >> 50
        g0, g1, g2 = a3 << 28 & _M | a3 >> 36, b4 << 20 & _M | b4 >> 44, c0 << 3 & _M | c0 >> 61
        g3, g4 = d1 << 45 & _M | d1 >> 19, e2 << 61 & _M | e2 >> 3
        h0, h1, h2 = a1 << 1 & _M | a1 >> 63, b2 << 6 & _M | b2 >> 58, c3 << 25 & _M | c3 >> 39
        h3, h4 = d4 << 8 & _M | d4 >> 56, e0 << 18 & _M | e0 >> 46
        i0, i1, i2 = a4 << 27 & _M | a4 >> 37, b0 << 36 & _M | b0 >> 28, c1 << 10 & _M | c1 >> 54
        i3, i4 = d2 << 15 & _M | d2 >> 49, e3 << 56 & _M | e3 >> 8
        j0, j1, j2 = a2 << 62 & _M | a2 >> 2, b3 << 55 & _M | b3 >> 9, c4 << 39 & _M | c4 >> 25
        j3, j4 = d0 << 41 & _M | d0 >> 23, e1 << 2 & _M | e1 >> 62
        # (x | y) ^ y keeps the bits of x that y lacks, without a negative number in between.
        a0, a1, a2 = f0 ^ (f1 | f2) ^ f1 ^ constant, f1 ^ (f2 | f3) ^ f2, f2 ^ (f3 | f4) ^ f3
        a3, a4 = f3 ^ (f4 | f0) ^ f4, f4 ^ (f0 | f1) ^ f0
        b0, b1, b2 = g0 ^ (g1 | g2) ^ g1, g1 ^ (g2 | g3) ^ g2, g2 ^ (g3 | g4) ^ g3
        b3, b4 = g3 ^ (g4 | g0) ^ g4, g4 ^ (g0 | g1) ^ g0
        c0, c1, c2 = h0 ^ (h1 | h2) ^ h1, h1 ^ (h2 | h3) ^ h2, h2 ^ (h3 | h4) ^ h3
        c3, c4 = h3 ^ (h4 | h0) ^ h4, h4 ^ (h0 | h1) ^ h0
        d0, d1, d2 = i0 ^ (i1 | i2) ^ i1, i1 ^ (i2 | i3) ^ i2, i2 ^ (i3 | i4) ^ i3
        d3, d4 = i3 ^ (i4 | i0) ^ i4, i4 ^ (i0 | i1) ^ i0
        e0, e1, e2 = j0 ^ (j1 | j2) ^ j1, j1 ^ (j2 | j3) ^ j2, j2 ^ (j3 | j4) ^ j3
        e3, e4 = j3 ^ (j4 | j0) ^ j4, j4 ^ (j0 | j1) ^ j0
    rows = (a0, a1, a2, a3, a4), (b0, b1, b2, b3, b4), (c0, c1, c2, c3, c4), (d0, d1, d2, d3, d4)
    return [*rows[0], *rows[1], *rows[2], *rows[3], e0, e1, e2, e3, e4]
