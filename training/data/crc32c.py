"""CRC-32C (Castagnoli), the checksum of TFRecord files, vectorised over lanes of the data.

The bytes are cut into equal lanes whose remainders advance together, one NumPy step per byte
position; lanes then join pairwise, since appending n bytes to a remainder is a linear map over
GF(2). Ours, after the definition in RFC 3720.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # reflected
_LANE = 1 << 12  # bytes a lane at least; more would make too few lanes
Words = NDArray[np.uint32]


def _byte_table() -> Words:
    table: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = ((table >> 1) ^ np.where(table & 1, _POLYNOMIAL, 0)).astype(np.uint32)
    return table


_TABLE = _byte_table()
# _PAIR[x] advances a remainder whose low 16 bits are x by two zero bytes, for those bits alone.
_low = np.arange(1 << 16, dtype=np.uint32)
_step = _TABLE[_low & 0xFF] ^ (_low >> 8)
_PAIR: Words = _TABLE[_step & 0xFF] ^ (_step >> 8)


def crc32c(data: bytes | memoryview) -> int:
    """The CRC-32C of ``data`` as an unsigned 32-bit integer."""
    array = np.frombuffer(data, dtype=np.uint8)
    lanes = 1 << max((len(array) // _LANE).bit_length() - 1, 0)
    length = len(array) // lanes // 2 * 2
    covered = lanes * length
    remainders = np.zeros(lanes, dtype=np.uint32)
    remainders[0] = 0xFFFFFFFF
    if length:
        pairs = array[:covered].reshape(lanes, length).view("<u2")
        for column in np.ascontiguousarray(pairs.T):
            remainders = _PAIR[(remainders ^ column) & 0xFFFF] ^ (remainders >> 16)
    while len(remainders) > 1:
        remainders = _append_zeros(remainders[0::2], length) ^ remainders[1::2]
        length *= 2
    remainder = int(remainders[0])
    for byte in array[covered:]:
        remainder = int(_TABLE[(remainder ^ int(byte)) & 0xFF]) ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as TFRecord files store it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _append_zeros(remainders: Words, count: int) -> Words:
    """Remainders after ``count`` further zero bytes each."""
    columns = np.uint32(1) << np.arange(32, dtype=np.uint32)  # images of the 32 single bits
    power = (_TABLE[columns & 0xFF] ^ (columns >> 8)).astype(np.uint32)  # one zero byte
    while count:
        if count & 1:
            remainders = _apply(power, remainders)
        power = _apply(power, power)
        count >>= 1
    return remainders


def _apply(columns: Words, vectors: Words) -> Words:
    result = np.zeros_like(vectors)
    for bit in range(32):
        result ^= columns[bit] * ((vectors >> np.uint32(bit)) & np.uint32(1))
    return result
