"""TFRecord files without TensorFlow: what warm-up requests are kept in.

Format: length (uint64), masked CRC-32C of the length, the bytes, masked CRC-32C of the bytes; little-endian throughout.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from serving.contract.errors import Code, ServingError

_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), reflected
_MASK_DELTA = 0xA282EAD8
_MAX_RECORD_BYTES = 1 << 30


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """Returns the CRC-32C of ``data`` in the masked form that TFRecord stores."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def read_records(path: Path) -> Iterator[bytes]:
    """Reads the records of a file one by one.

    Raises:
      ServingError: DATA_LOSS, the file is cut short or damaged.
      OSError: it cannot be read.
    """
    with path.open("rb") as file:
        offset = 0
        while header := file.read(12):
            length, length_crc = struct.unpack("<QI", header) if len(header) == 12 else (0, None)
            if length_crc != masked_crc32c(header[:8]) or length > _MAX_RECORD_BYTES:
                raise ServingError(Code.DATA_LOSS, f"corrupted record at {offset} of {path}")
            body = file.read(length + 4)
            if len(body) != length + 4 or struct.unpack("<I", body[length:])[0] != masked_crc32c(body[:length]):
                raise ServingError(Code.DATA_LOSS, f"truncated or corrupted record at {offset} of {path}")
            yield body[:length]
            offset += length + 16
