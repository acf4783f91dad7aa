"""Settings of the n-gram model."""

import dataclasses

from components.settings import SettingsError

# Beyond this nearly every n-gram is the only one of its context, whatever the text.
_LONGEST_ORDER = 20


@dataclasses.dataclass(frozen=True)
class NgramSettings:
    """How characters are counted.

    Attributes:
      order: Characters of the longest n-gram: the next one given `order - 1` before it.
      most_characters: Training characters to count, the first. 20,000,000 take 300 MB of memory, and 9 s of a core.
    """

    order: int = 5
    most_characters: int = 20_000_000

    def __post_init__(self) -> None:
        if not 1 <= self.order <= _LONGEST_ORDER:
            raise SettingsError(f"ngram.order is {self.order}; it is from 1 to {_LONGEST_ORDER}")
        if self.most_characters < 1:
            raise SettingsError(f"ngram.most_characters is {self.most_characters}; it must be at least 1")
