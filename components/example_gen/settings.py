"""Settings of the ExampleGens."""

import dataclasses
from typing import Literal

from components.example_gen.splits import SplitData
from components.settings import SettingsError
from data.encodings import check_encoding
from data.errors import CorpusError, DataError
from data.tables.options import Column, TableOptions

# What stands for a character that is too rare, Unicode's own replacement character.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# In the names of files: the setting `language`.
_LANGUAGE = "{LANGUAGE}"

_MOST_TERMS = 99

# Sums are computed in int64.
_LARGEST_SUM = 2**62

# A window is held, in several copies, for thousands of rows at a time.
_LONGEST_WINDOW = 1 << 16

# Distinct examples are a permutation of all there are; beyond this its next power of four no longer fits 64 bits.
LARGEST_DOMAIN = 2**62


@dataclasses.dataclass(frozen=True)
class SumsData(SplitData):
    """Which sums to generate. The defaults are those of reference 2 (numbers 1 to 99, 2 terms, 5,000 drawn freely).

    Attributes:
      terms: Numbers in a sum, 2 or more.
      largest: Largest number; the smallest is 1.
      count: Number of examples in the three splits together.
      distinct: Whether no example occurs twice. `3+12` and `12+3` are two examples (on one side of the split).
      seed: Seed with which the examples are drawn. The split of an example does not depend on it.
      examples_per_shard: Examples in one TFRecord file: the unit of work of a Beam worker. 65,536 sums are about 1 MB
        compressed and half a second of work. Smaller files cost more than more workers gain.
    """

    terms: int = 2
    largest: int = 99
    count: int = 5_000
    distinct: bool = False
    seed: int = 17
    examples_per_shard: int = 65_536

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.terms <= _MOST_TERMS:
            raise SettingsError(f"data.terms is {self.terms}; a sum has from 2 to {_MOST_TERMS} terms")
        if self.largest < 1 or self.largest * self.terms > _LARGEST_SUM:
            raise SettingsError(
                f"data.largest is {self.largest}; it must be at least 1 and {self.terms} times it at most 2**62"
            )
        if self.count < 3:
            raise SettingsError(f"data.count is {self.count}; each of the three splits needs an example")
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
class PairsData(SplitData):
    """Which pairs to read.

    Attributes:
      files: Files, folders, globs, or patterns such as `days/{YYYY}-{MM}-{DD}/*.csv`, on any file system that Beam knows. CSV,
        TSV, JSONL, Parquet and pronunciation dictionaries (`.dict`), recognized by their endings; text may also be
        compressed (`.gz`, `.bz2`, `.zst`). If a file or folder of that name exists, it is taken, also if its name has
        wildcards. A table of the catalogue has a name, such as `cmudict` or `g2p-fre-train`. A row is on one side whatever
        file it is in.
      language: What `{LANGUAGE}` stands for in the names of files, such as `words/{LANGUAGE}/*.tsv`.
      input: The column of the inputs: its name, or its position, 1 for the first. Empty: `input` or `expression`, or the
        first of two columns.
      target: The column of the answers: its name or position. Empty: `target`, `answer` or `output`, or the second of
        two columns.
      header: Whether line 1 of CSV and TSV names the columns: `yes`, `no`, or `auto`, decided for each file. A header is
        never an example.
      delimiter: The character between two fields of CSV and TSV; empty: found out.
      quotes: Whether a field of CSV and TSV that begins with a double quote is quoted: `yes`, `no`, or `auto`: yes, unless
        the fields are separated by tabs and the quotes look like text.
      encoding: How the files are encoded, as Python names it. A byte order mark wins over utf-8.
      on_error: `stop` at the first row that cannot be used, or `skip` such rows; the report counts and lists them.
      most_skipped: Largest share of the rows that may be skipped.
      validation_files: Files of their own for the validation split, as for `files`. Empty: a share of the inputs of `files`.
        A row of `files` whose input such a file has is left out of training.
      test_files: The same for the test split.
      longest: Most characters of an input and of an answer. How long they really are is found from the data.
      nfc: Whether both sides are composed (Unicode's form C), so that an é is one character however it was typed.
      input_tokens: What an input is split into: `characters` (code points, which a model's graph can split at), `space` (what
        stands between spaces), or any other separator.
      target_tokens: The same of an answer. `auto`: `space` if the answers look like symbols with spaces between them, such as
        `w a z o`, otherwise `characters`.
      target_without: Characters that are left out of every answer, such as `012`, the digits of stress in CMU's dictionary.
      unknown: What a served model does with an input that has a token which training did not have: `refuse` it, or `replace`
        the token by a sign for the unknown, answer as well as it can, and say so in the output `unknown`.
      spans: How many spans of a pattern, the latest.
      input_length: Characters of the longest input, for models of a fixed length.
      output_length: Characters of the longest answer.
    """

    files: tuple[str, ...] = dataclasses.field(default=(), metadata={"paths": True, "formerly": ("pattern",)})
    language: str = ""
    input: str = ""
    target: str = ""
    header: Literal["auto", "yes", "no"] = "auto"
    delimiter: str = ""
    quotes: Literal["auto", "yes", "no"] = "auto"
    encoding: str = "utf-8"
    on_error: Literal["stop", "skip"] = "stop"
    most_skipped: float = 0.01
    validation_files: tuple[str, ...] = dataclasses.field(default=(), metadata={"paths": True})
    test_files: tuple[str, ...] = dataclasses.field(default=(), metadata={"paths": True})
    longest: int = 1_024
    nfc: bool = True
    input_tokens: str = "characters"
    target_tokens: str = "auto"
    target_without: str = ""
    unknown: Literal["refuse", "replace"] = "refuse"
    spans: int = 1
    input_length: int = dataclasses.field(default=0, metadata={"derived": "the data"})
    output_length: int = dataclasses.field(default=0, metadata={"derived": "the data"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.files or not all(self.files):
            raise SettingsError("data.files is empty; name files, a folder or a glob: --set data.files='pairs/*.csv'")
        if isinstance(self.files, str):
            raise SettingsError(f"data.files is {self.files!r}; it is a list: ({self.files!r},)")
        for name in ("files", "validation_files", "test_files"):
            if not self.language and any(_LANGUAGE in file for file in getattr(self, name)):
                raise SettingsError(f"data.{name} has {_LANGUAGE}; say which one, such as --set data.language=fre")
        for name in ("input_tokens", "target_tokens"):
            if not getattr(self, name):
                raise SettingsError(f"data.{name} is empty; it is characters, space, or a separator such as '|'")
        if self.unknown not in ("refuse", "replace"):
            raise SettingsError(f"data.unknown is {self.unknown!r}; it is refuse or replace")
        for name in ("longest", "spans"):
            if getattr(self, name) < 1:
                raise SettingsError(f"data.{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.most_skipped < 1:
            raise SettingsError(f"data.most_skipped is {self.most_skipped}; it must be at least 0 and below 1")
        try:
            _ = self.table_options
        except DataError as error:
            raise SettingsError(f"data.{error}") from None

    def named_files(self, setting: str) -> tuple[str, ...]:
        """Returns what `files`, `validation_files` or `test_files` names, with the language in its place."""
        return tuple(name.replace(_LANGUAGE, self.language) for name in getattr(self, setting))

    @property
    def table_options(self) -> TableOptions:
        """How the tables are read: the columns `input` and `target`."""
        return TableOptions(
            columns=(
                Column("input", self.input, ("input", "expression"), "data.input"),
                Column("target", self.target, ("target", "answer", "output"), "data.target"),
            ),
            header=self.header,
            delimiter=self.delimiter,
            quotes=self.quotes,
            encoding=self.encoding,
            on_error=self.on_error,
        )


@dataclasses.dataclass(frozen=True)
class TextData(SplitData):
    """Which text to read, and how it becomes windows: a few characters to predict, and the context before them.

    Attributes:
      corpus: A name of the catalogue (`python-docs`, `sherlock`); or, on any file system that Beam knows, a file, a glob, a
        folder (every .txt, .txt.gz and .txt.bz2 in it), or a pattern such as `texts/day-{SPAN}/v{VERSION}/*.txt`, of which
        the latest spans are read, so that a run of each day trains on what is new. `.gz` and `.bz2` are unpacked.
      encoding: How the files are encoded, as Python names it.
      lowercase: Whether the text is lowered.
      nfc: Whether the text is composed (Unicode's form C), so that an é is one character however it was typed.
      min_count: A character that training has less often becomes U+FFFD, as does one that it does not have.
      context: Characters before a training window that the model reads and is not scored on.
      length: Characters of a window that are predicted.
      step: Characters from a training window to the next; `length` predicts every character once in an epoch.
      eval_context: The same as `context`, of a validation or test window. Those follow each other without gap or overlap, so
        that every such character is predicted exactly once; the first of a file have less before them.
      eval_length: The same as `length`, of a validation or test window; 0 is `length`. A few long windows are evaluated much
        faster than as many as there are characters.
      split: `position`: the end of every file is for the test, what is before it for validation. `file`: a file is on one
        side as a whole, by a hash of its name within the corpus, so that it stays there when others are added.
      validation_fraction: The share of validation. It is small, because the built-in tasks choose nothing by it.
      spans: How many spans of a pattern, the latest.
      characters_per_shard: Characters of text in one TFRecord file: the unit of work of a Beam worker. 4,194,304 are half a
        second of work at `step` 128, and half a minute at `step` 1.
    """

    corpus: str = dataclasses.field(default="python-docs", metadata={"paths": True})
    encoding: str = "utf-8"
    lowercase: bool = False
    nfc: bool = True
    min_count: int = 1
    context: int = 0
    length: int = 512
    step: int = 512
    eval_context: int = 512
    eval_length: int = 0
    validation_fraction: float = dataclasses.field(default=0.01, kw_only=True)
    split: Literal["position", "file"] = "position"
    spans: int = 1
    characters_per_shard: int = 4_194_304

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.corpus:
            raise SettingsError("data.corpus is empty; name a corpus or your own text: --set data.corpus=texts/*.txt")
        try:
            check_encoding(self.encoding)
        except CorpusError as error:
            raise SettingsError(f"data.{error}") from None
        for name, least in (
            ("min_count", 1),
            ("context", 0),
            ("length", 1),
            ("step", 1),
            ("eval_context", 0),
            ("eval_length", 0),
            ("spans", 1),
            ("characters_per_shard", 1),
        ):
            if getattr(self, name) < least:
                raise SettingsError(f"data.{name} is {getattr(self, name)}; it must be at least {least}")
        for context, length in (("context", "length"), ("eval_context", "eval_length")):
            characters = getattr(self, context) + (getattr(self, length) or self.length)
            if characters > _LONGEST_WINDOW:
                raise SettingsError(
                    f"data.{context} and data.{length} are {characters:,} characters together; they may be "
                    f"{_LONGEST_WINDOW:,}, because thousands of windows are in memory at the same time"
                )
        if self.split not in ("position", "file"):
            raise SettingsError(f"data.split is {self.split!r}; it is 'position' or 'file'")

    @property
    def evaluated_length(self) -> int:
        """Characters of a validation or test window that are predicted."""
        return self.eval_length or self.length
