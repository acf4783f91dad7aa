"""Protocol buffers' encoding of whole numbers, for messages that are put together byte by byte."""


def encode_varint(value: int) -> bytes:
    """Returns a number from 0 as a base-128 varint (https://protobuf.dev/programming-guides/encoding/#varints)."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
