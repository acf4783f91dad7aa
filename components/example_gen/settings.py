"""Settings of the ExampleGens."""

import dataclasses

from components.settings import SettingsError

_MOST_TERMS = 99

# Sums are computed in int64.
_LARGEST_SUM = 2**62

# Distinct examples are a permutation of all there are; beyond this its next power of four no longer fits 64 bits.
LARGEST_DOMAIN = 2**62


@dataclasses.dataclass(frozen=True)
class SumsData:
    """Which sums to generate. The defaults are those of reference 2 (numbers 1 to 99, 2 terms, 5,000 drawn freely).

    Attributes:
      terms: Numbers in a sum, 2 or more.
      largest: Largest number; the smallest is 1.
      count: Examples in all, training and evaluation together.
      distinct: Whether no example occurs twice. `3+12` and `12+3` are two examples (on one side of the split).
      eval_fraction: Expected share of the evaluation side, between 0 and 1.
      seed: Chooses the examples. The side on which an example is does not depend on it.
      examples_per_shard: Examples in one TFRecord file: the unit of work of a Beam worker. 65,536 sums are about 1 MB
        compressed and half a second of work; fewer make more files than workers gain by.
    """

    terms: int = 2
    largest: int = 99
    count: int = 5_000
    distinct: bool = False
    eval_fraction: float = 0.1
    seed: int = 17
    examples_per_shard: int = 65_536

    def __post_init__(self) -> None:
        if not 2 <= self.terms <= _MOST_TERMS:
            raise SettingsError(f"data.terms is {self.terms}; a sum has from 2 to {_MOST_TERMS} terms")
        if self.largest < 1 or self.largest * self.terms > _LARGEST_SUM:
            raise SettingsError(
                f"data.largest is {self.largest}; it must be at least 1 and {self.terms} times it at most 2**62"
            )
        if self.count < 2:
            raise SettingsError(f"data.count is {self.count}; training and evaluation need at least one example each")
        if not 0 < self.eval_fraction < 1:
            raise SettingsError(f"data.eval_fraction is {self.eval_fraction}; it must lie between 0 and 1")
        if self.examples_per_shard < 1:
            raise SettingsError(f"data.examples_per_shard is {self.examples_per_shard}; it must be at least 1")
        if self.distinct and self.count > self.distinct_examples:
            raise SettingsError(
                f"data.count asks for {self.count:,} distinct examples, but {self.terms} terms of 1 to {self.largest:,} "
                f"make only {self.distinct_examples:,}: lower data.count, raise data.largest or data.terms, or set "
                "data.distinct=false"
            )

    @property
    def permuted_terms(self) -> int:
        """How many leading terms are drawn without repetition: all, unless their combinations exceed 2**62."""
        terms = 1
        while terms < self.terms and self.largest ** (terms + 1) <= LARGEST_DOMAIN:
            terms += 1
        return terms

    @property
    def distinct_examples(self) -> int:
        """How many distinct examples can be asked for."""
        return int(self.largest**self.permuted_terms)

    @property
    def input_length(self) -> int:
        """Characters of the longest expression."""
        return self.terms * len(str(self.largest)) + self.terms - 1

    @property
    def output_length(self) -> int:
        """Characters of the longest answer."""
        return len(str(self.terms * self.largest))


@dataclasses.dataclass(frozen=True)
class PairsData:
    """Which pairs to read.

    Attributes:
      pattern: A file, or a glob such as `pairs/*.tsv`, on any file system that Beam knows; `.gz` and `.bz2` are unpacked.
        A TSV line is an expression, a tab and its answer. A JSONL line is an object with the keys `expression` and
        `answer`. The ending decides: `.jsonl` and `.json` (before `.gz`, `.bz2`) are JSONL, all else is TSV.
      input_length: Most characters of an expression. A model's cost grows with it, so it is stated, not found out.
      output_length: Most characters of an answer.
      eval_fraction: Expected share of the evaluation side. A pair's side follows from its expression alone, so equal
        expressions are on one side, whatever file they come from and whatever is added later.
    """

    pattern: str = ""
    input_length: int = 32
    output_length: int = 32
    eval_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not self.pattern:
            raise SettingsError("data.pattern is empty; name a file or glob: --set data.pattern='pairs/*.tsv'")
        for name in ("input_length", "output_length"):
            if getattr(self, name) < 1:
                raise SettingsError(f"data.{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.eval_fraction < 1:
            raise SettingsError(f"data.eval_fraction is {self.eval_fraction}; it must lie between 0 and 1")
