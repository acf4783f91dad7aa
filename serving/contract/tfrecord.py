"""TFRecord files without TensorFlow: what warm-up requests and request logs are kept in.

Format: length (uint64), masked CRC-32C of the length, the bytes, masked CRC-32C of the bytes; little-endian throughout.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from serving.contract.errors import Code, ServingError

_MASK_DELTA = 0xA282EAD8
_MAX_RECORD_BYTES = 1 << 30


def masked_crc32c(data: bytes) -> int:
    """Returns the CRC-32C of ``data`` in the masked form that TFRecord stores."""
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def frame_record(data: bytes) -> bytes:
    """Returns a record as it stands in a file."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, struct.pack("<I", masked_crc32c(length)), data, struct.pack("<I", masked_crc32c(data))))


def read_records(path: Path, *, growing: bool = False) -> Iterator[bytes]:
    """Reads the records of a file one by one.

    Args:
      path: The file.
      growing: Whether a last record that is cut short is left out without an error: a file that is written to meanwhile, or
        whose writer was killed, ends so.

    Raises:
      ServingError: DATA_LOSS, the file is cut short or damaged.
      OSError: it cannot be read.
    """
    with path.open("rb") as file:
        offset = 0
        while header := file.read(12):
            if growing and len(header) < 12:
                return
            length, length_crc = struct.unpack("<QI", header) if len(header) == 12 else (0, None)
            if length_crc != masked_crc32c(header[:8]) or length > _MAX_RECORD_BYTES:
                raise ServingError(Code.DATA_LOSS, f"corrupted record at {offset} of {path}")
            body = file.read(length + 4)
            if growing and len(body) < length + 4:
                return
            if len(body) != length + 4 or struct.unpack("<I", body[length:])[0] != masked_crc32c(body[:length]):
                raise ServingError(Code.DATA_LOSS, f"truncated or corrupted record at {offset} of {path}")
            yield body[:length]
            offset += length + 16
