"""Records: where each row of CSV, TSV or JSONL begins and ends, with quotes told from text.

The grammar is RFC 4180's, read generously. A record ends at LF, CR or CR LF, the last one perhaps at the end of the file. A
field that begins with a double quote ends at the next one that is not doubled, and may have delimiters and line ends in
it; behind it stands a delimiter or the end of the record. In any other field quotes are text. Where a field breaks these
rules, its record is bad and is taken to end with its first line.

NumPy does the work for a block at a time: if every quote stands where the rules let it, a line end lies outside of quotes
exactly if an even number of quotes comes before it. Blocks of which that does not hold are gone through record by record.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

_LF, _CR, _QUOTE = 10, 13, 34

_Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Grammar:
    """What separates and quotes.

    Attributes:
      delimiter: One byte, or empty where records have no fields (JSONL, plain lines).
      quotes: Whether a field that begins with a double quote is quoted.
      longest: Bytes of the longest record.
    """

    delimiter: bytes = b""
    quotes: bool = False
    longest: int = 1 << 20


@dataclasses.dataclass(frozen=True)
class Block:
    """Whole records, one behind the other.

    Attributes:
      data: Their bytes, line ends included.
      starts: Where each begins in `data`: int64 [N].
      ends: Where each ends, its line end left off: int64 [N].
      lines: Number of its first line in the file, from 1: int64 [N].
      bad: What is wrong with a record, by its index.
      stop: Where in the stream the last record ends, its line end included.
      next_line: Number of the line that follows.
    """

    data: bytes
    starts: _Integers
    ends: _Integers
    lines: _Integers
    bad: dict[int, str]
    stop: int
    next_line: int

    def record(self, index: int) -> bytes:
        """Returns the bytes of a record, its line end left off."""
        return self.data[self.starts[index] : self.ends[index]]


@dataclasses.dataclass
class _Lines:
    """The line ends of a buffer: where the text of each line ends, and where the next line begins; int64 [L] each."""

    ends: _Integers
    nexts: _Integers


def read_records(
    chunks: Iterable[bytes], grammar: Grammar, first_line: int = 1, is_whole: bool = True
) -> Iterator[Block]:
    """Yields the records of a stream in blocks; records, lines and errors do not depend on the chunks.

    Args:
      chunks: The bytes of the stream, from the beginning of a record.
      grammar: What separates and quotes.
      first_line: Number of the first line.
      is_whole: Whether the stream ends with a record, perhaps without a line end; otherwise what is cut off is left out.
    """
    carried, offset, line = b"", 0, first_line
    skip_rest = False
    for chunk, is_last in _with_last(chunks, is_whole):
        buffer = carried + chunk
        if skip_rest:  # of a line that is too long
            found = re.search(rb"[\r\n]", buffer)
            dropped = found.start() if found else len(buffer)
            buffer, offset = buffer[dropped:], offset + dropped
            if not found and not is_last:
                carried = b""
                continue
            skip_rest = False
            # The line end is all that is left of the line; it belongs to the record that was given out as bad.
            end = re.match(rb"\r\n|\r(?!\Z)|\n" if not is_last else rb"\r\n|\r|\n", buffer)
            if end is None and buffer:
                carried, skip_rest = buffer, True
                continue
            if end is not None:
                buffer, offset, line = buffer[end.end() :], offset + end.end(), line + 1
        if is_last and buffer and buffer[-1] not in (_LF, _CR):
            buffer += b"\n"
        block, too_long = _scan(buffer, grammar, line, offset, is_last)
        if len(block.starts):
            yield block
        consumed = block.stop - offset
        carried, offset, line = buffer[consumed:], block.stop, block.next_line
        if too_long:
            yield _too_long(grammar, line, offset)
            # A carriage return at its end may be the first half of a line end.
            carried, skip_rest = b"\r" if carried.endswith(b"\r") else b"", True
            offset += len(buffer) - consumed - len(carried)


def _with_last(chunks: Iterable[bytes], is_whole: bool) -> Iterator[tuple[bytes, bool]]:
    """Yields each chunk, and if the stream is whole nothing behind the last one, with whether it is the last."""
    for chunk in chunks:
        yield chunk, False
    if is_whole:
        yield b"", True


def _too_long(grammar: Grammar, line: int, offset: int) -> Block:
    one = np.zeros(1, np.int64)
    return Block(b"", one, one, one + line, {0: _long_line(grammar)}, offset, line)


def _long_line(grammar: Grammar) -> str:
    return f"the line is longer than {grammar.longest:,} bytes"


def _scan(buffer: bytes, grammar: Grammar, line: int, offset: int, is_last: bool) -> tuple[Block, bool]:
    """Returns the records that end in a buffer, and whether what is left is the beginning of a line that is too long."""
    array = np.frombuffer(buffer, np.uint8)
    lines = _find_lines(array, is_last)
    quotes = np.flatnonzero(array == _QUOTE) if grammar.quotes else np.empty(0, np.int64)
    scanned = _scan_at_once(array, lines, quotes, grammar, is_last)
    starts, ends, stop, bad = scanned or _scan_each(buffer, lines, grammar, is_last)
    next_line = line + int(np.searchsorted(lines.nexts, stop, side="right"))
    numbers = line + (
        np.searchsorted(lines.nexts, starts, side="right") if len(starts) < len(lines.ends) else np.arange(len(starts))
    )
    rest = len(buffer) - stop
    too_long = rest > grammar.longest + 1 and not (len(lines.ends) and lines.ends[-1] >= stop)
    block = Block(buffer[:stop], starts, ends, numbers.astype(np.int64), bad, offset + stop, next_line)
    return block, too_long


def _find_lines(array: npt.NDArray[np.uint8], is_last: bool) -> _Lines:
    ends = np.flatnonzero(array == _LF)
    returns = np.flatnonzero(array == _CR)
    if not len(returns):
        return _Lines(ends, ends + 1)
    if not is_last and returns[-1] == len(array) - 1:
        returns = returns[:-1]  # perhaps a line feed follows
    before_feed = np.zeros(len(ends), bool)
    before_feed[ends > 0] = array[ends[ends > 0] - 1] == _CR
    next_byte = np.zeros(len(returns), np.uint8)
    inside = returns < len(array) - 1
    next_byte[inside] = array[returns[inside] + 1]
    alone = returns[next_byte != _LF]
    texts = np.concatenate((ends - before_feed, alone))
    nexts = np.concatenate((ends + 1, alone + 1))
    order = np.argsort(nexts, kind="stable")
    return _Lines(texts[order], nexts[order])


def _scan_at_once(
    array: npt.NDArray[np.uint8], lines: _Lines, quotes: _Integers, grammar: Grammar, is_last: bool
) -> tuple[_Integers, _Integers, int, dict[int, str]] | None:
    """Returns starts, ends and the end of the last record; None unless every quote and length is as it should be."""
    ends, nexts = lines.ends, lines.nexts
    if len(quotes):
        outside = np.searchsorted(quotes, ends) % 2 == 0
        ends, nexts = ends[outside], nexts[outside]
    stop = int(nexts[-1]) if len(nexts) else 0
    if is_last and stop < len(array):
        return None
    if len(quotes):
        if len(array) - stop > grammar.longest:
            return None
        inside = quotes[: np.searchsorted(quotes, stop)]
        opening, closing = inside[0::2], inside[1::2]
        separates = np.zeros(256, bool)
        separates[[_LF, _CR, _QUOTE, *grammar.delimiter]] = True
        before = array[opening[opening > 0] - 1]
        if not (separates[before].all() and separates[array[closing + 1]].all()):
            return None
    starts = np.concatenate((np.zeros(min(1, len(nexts)), np.int64), nexts[:-1]))
    if len(starts) and int((ends - starts).max()) > grammar.longest:
        return None
    return starts, ends, stop, {}


def _scan_each(
    buffer: bytes, lines: _Lines, grammar: Grammar, is_last: bool
) -> tuple[_Integers, _Integers, int, dict[int, str]]:
    """Does the same record by record, whatever is wrong with them."""
    starts: list[int] = []
    ends: list[int] = []
    bad: dict[int, str] = {}
    whole = _whole_record(grammar) if grammar.quotes else None
    text_ends, nexts = lines.ends.tolist(), lines.nexts.tolist()
    position, line = 0, 0
    while line < len(nexts):
        end, following = text_ends[line], nexts[line]
        problem = ""
        if end - position > grammar.longest:
            problem = _long_line(grammar)
        elif whole is not None and buffer.find(b'"', position, end) >= 0:
            matched = whole.match(buffer, position, position + grammar.longest + 2)
            if matched is not None and matched.end() - position <= grammar.longest:
                while line < len(nexts) and text_ends[line] < matched.end():
                    line += 1
                if line == len(nexts):
                    break  # a carriage return at the end, of which the line feed may follow
                end, following = matched.end(), nexts[line]
            else:
                problem = _wrong_quote(buffer, position, grammar)
                if problem in (_OPEN, _LONG) and not is_last and len(buffer) - position <= grammar.longest + 1:
                    break  # it may end in the next chunk
        if problem:
            bad[len(starts)] = problem
        starts.append(position)
        ends.append(end)
        position, line = following, line + 1
    return np.array(starts, np.int64), np.array(ends, np.int64), position, bad


_OPEN = "the quote at the beginning of a field is not closed"
_LONG = "the row is too long"


def _whole_record(grammar: Grammar) -> re.Pattern[bytes]:
    delimiter = re.escape(grammar.delimiter)
    field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|(?:[^"%s\r\n][^%s\r\n]*+)?)' % (delimiter, delimiter)
    # `"a"b`: the possessive field takes `"a"`, and what follows is neither a delimiter nor a line end.
    return re.compile(rb"%s(?:%s%s)*+(?=[\r\n])" % (field, delimiter, field))


def _wrong_quote(buffer: bytes, start: int, grammar: Grammar) -> str:
    """Returns what is wrong with the quotes of a record that is not as it should be."""
    delimiter = re.escape(grammar.delimiter)
    quoted = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
    plain = re.compile(rb"[^%s\r\n]*" % delimiter)
    position, column = start, 1
    limit = start + grammar.longest + 2
    while True:
        if buffer[position : position + 1] == b'"':
            matched = quoted.match(buffer, position, limit)
            if matched is None or matched.end() >= min(limit, len(buffer)):
                return _OPEN
            position = matched.end()
            if buffer[position : position + 1] not in (b"\r", b"\n", grammar.delimiter):
                return f"in column {column} there is text behind the closing quote"
        else:
            position = plain.match(buffer, position, limit).end()  # type: ignore[union-attr]
        if position >= limit or buffer[position : position + 1] != grammar.delimiter:
            return _LONG
        position, column = position + 1, column + 1
