"""Reading: the same text however it is cut into blocks, and errors that say where."""

import bz2
import gzip
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.encodings import check_encoding
from data.errors import CorpusError
from data.files import DataFile
from data.reading import _stands_alone, read_text

# What cleaning could cut apart, among what it may not.
PIECES = [
    "e",
    "\u0301",
    "\u0327",
    "Σ",
    "σ",
    "ΑΣ",
    "'",
    "\u00ad",
    ".",
    " ",
    "\r",
    "\n",
    "\r\n",
    "\u1112",
    "\u1161",
    "\u11ab",
]
PIECES += [
    "İ",
    "K",
    "ß",
    "\u0926\u093c",
    "\u09c7\u09be",
    "中",
    "🙂",
    "👩\u200d🚀",
    "5",
    "x",
    "_",
    "ﬁ",
    "\ufeff",
    "ª",
    "\ufffd",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), max_size=60).map("".join)


def read(path, content, **settings):
    path.write_bytes(content)
    return "".join(read_text(DataFile(path.name, str(path)), **settings))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@given(text=TEXTS, read_bytes=st.integers(1, 30), lowercase=st.booleans(), nfc=st.booleans())
def test_blocks_change_nothing(folder, text, read_bytes, lowercase, nfc):
    whole = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if lowercase:
        whole = whole.lower()
    if nfc:
        whole = unicodedata.normalize("NFC", whole)
    assert read(folder / "t", text.encode(), read_bytes=read_bytes, lowercase=lowercase, nfc=nfc) == whole


def test_characters_at_which_text_is_cut_neither_compose_nor_are_looked_across():
    every = [chr(point) for point in range(sys.maxunicode + 1)]
    cut_at = [character for character in every if _stands_alone(character)]
    assert len(cut_at) > 100_000
    decompositions = [unicodedata.decomposition(character).split() for character in every]
    second = {d[1] for d in decompositions if len(d) == 2 and not d[0].startswith("<")}
    assert len(second) > 50
    assert not [c for c in cut_at if f"{ord(c):04X}" in second]
    assert not [c for c in cut_at if ("ΑΣ" + c).lower()[1] == "ς" and ("ΑΣ" + c + "Α").lower()[1] == "σ"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32", "shift_jis", "gb18030"])
def test_encodings_by_name(tmp_path, encoding):
    text = "日本語、\r\n漢字かな\r\n" * 50
    assert read(tmp_path / "t", text.encode(encoding), encoding=encoding, read_bytes=7) == text.replace("\r\n", "\n")


def test_compressed_files(tmp_path):
    for name, compress in (("t.txt.gz", gzip.compress), ("t.txt.bz2", bz2.compress)):
        assert read(tmp_path / name, compress(b"\xef\xbb\xbfa\r\nb")) == "a\nb"


@pytest.mark.parametrize("read_bytes", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (b"abc\xff", "utf-8", r"byte 3 \(0xff\) is not utf-8.*data\.encoding"),
        ("a\u4e2d".encode() + b"\xe4\xb8b", "utf-8", r"byte 4 \(0xe4\) is not utf-8"),
        (b"ab\xe4\xb8", "utf-8", r"byte 2 \(0xe4\) is not utf-8"),
        ("日本".encode("shift_jis") + b"\xfd", "shift_jis", r"byte 4 \(0xfd\) is not shift_jis"),
        (b"a\x00b", "utf-16-le", r"byte 2 \(0x62\) is not utf-16-le"),
        (b"abc\xe9", "ascii", r"byte 3 \(0xe9\) is not ascii"),
        (b"ab\\ud800", "raw_unicode_escape", r"'.ud800' is half a surrogate pair"),
    ],
)
def test_a_wrong_byte_is_an_error_that_names_its_place(tmp_path, content, encoding, said, read_bytes):
    with pytest.raises(CorpusError, match=rf"wrong\.txt: {said}"):
        read(tmp_path / "wrong.txt", content, encoding=encoding, read_bytes=read_bytes)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"a text that breaks off" * 99)[:-9]], ids=["no gzip", "cut off"]
)
def test_a_broken_archive_is_an_error_that_names_it(tmp_path, content):
    with pytest.raises(CorpusError, match=r"cannot read .*broken\.txt\.gz"):
        read(tmp_path / "broken.txt.gz", content)


def test_what_is_no_text_is_refused_before_it_fills_the_memory(tmp_path):
    with pytest.raises(CorpusError, match="without a letter, digit or space"):
        read(tmp_path / "t", b"." * (6 << 20))


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "", "utf\x00"])
def test_an_unknown_encoding_is_an_error_that_names_some(encoding):
    with pytest.raises(CorpusError, match="there are utf-8"):
        check_encoding(encoding)
