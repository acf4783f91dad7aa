"""Which cleaning a text gets."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """The cleaning of a text, in the order in which it is done; `data.reading.read_text` cleans training text so.

    Attributes:
      byte_order_mark: Whether a byte order mark (U+FEFF) at the beginning is removed.
      line_ends: Whether CR LF becomes LF.
      lowercase: Whether the text is lowered as Python's `str.lower` does.
      nfc: Whether the text is composed: Unicode's normalization form C (UAX #15).
    """

    byte_order_mark: bool = False
    line_ends: bool = False
    lowercase: bool = False
    nfc: bool = False

    def describe(self) -> str:
        """Returns the steps in words, separated by commas; an empty string if there is none."""
        words = {
            "byte_order_mark": "no byte order mark",
            "line_ends": "LF for CR LF",
            "lowercase": "lower case",
            "nfc": "NFC",
        }
        return ", ".join(word for name, word in words.items() if getattr(self, name))


NO_CLEANING = Cleaning()
