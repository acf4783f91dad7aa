"""Which files a corpus is: the catalogue, files, globs, folders, spans."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import catalogue
from data.corpora import CatalogueFile, find_corpus, find_tables, fingerprint
from data.errors import CorpusError, DataError
from data.files import find_files
from tests.data.bucket import InMemoryFileSystem


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(b"x") if name.endswith(".gz") else b"x")


def names(corpus, **settings):
    return [file.name for file in find_corpus(str(corpus), **settings).files]


def test_a_file_a_glob_and_a_folder(tmp_path):
    write(tmp_path, "b.txt", "a.txt.gz", "deep/er/c.txt.bz2", "deep/notes.md", "deep.txt/d.txt")
    assert names(tmp_path / "deep" / "notes.md") == ["notes.md"]
    assert names(tmp_path / "*.txt*") == ["a.txt.gz", "b.txt"]
    assert names(tmp_path / "deep" / "**") == ["er/c.txt.bz2", "notes.md"]
    assert names(tmp_path) == ["a.txt.gz", "b.txt", "deep.txt/d.txt", "deep/er/c.txt.bz2"]
    assert names(f"{tmp_path}/") == names(tmp_path)
    assert [file.path for file in find_corpus(str(tmp_path / "b.txt")).files] == [str(tmp_path / "b.txt")]


def test_names_do_not_depend_on_where_the_corpus_lies(tmp_path, monkeypatch):
    write(tmp_path, "one/texts/x/a.txt", "two/texts/x/a.txt")
    assert names(tmp_path / "one" / "texts") == names(tmp_path / "two" / "texts") == ["x/a.txt"]
    monkeypatch.chdir(tmp_path / "one")
    assert names("texts") == names("./texts") == ["x/a.txt"]
    assert names("texts/x/a.txt") == ["a.txt"]


def test_a_path_from_the_home_folder(tmp_path, monkeypatch):
    write(tmp_path, "texts/a.txt")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names("~/texts") == ["a.txt"]


def test_a_file_whose_name_has_wildcards(tmp_path):
    write(tmp_path, "draft [1].txt")
    assert names(tmp_path / "draft [1].txt") == ["draft [1].txt"]


@pytest.mark.parametrize("corpus", ["nothing", "*.html", "empty"])
def test_no_file_is_an_error_that_says_what_could_stand_there(tmp_path, corpus):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=rf"'.*{corpus.replace('*', '.')}'.*data\.corpus"):
        find_corpus(str(tmp_path / corpus))


def test_an_unknown_file_system_is_an_error():
    with pytest.raises(CorpusError, match="cannot look for 'carrier://pigeon'"):
        find_corpus("carrier://pigeon")


def test_the_latest_spans_in_their_latest_version(tmp_path):
    write(tmp_path, "day-1/v1/a.txt", "day-2/v1/a.txt", "day-2/v1/b.txt", "day-2/v10/a.txt", "day-2/v9/a.txt")
    write(tmp_path, "day-10/v2/a.txt")
    pattern = tmp_path / "day-{SPAN}" / "v{VERSION}" / "*.txt"
    assert names(pattern) == ["day-10/v2/a.txt"]
    assert names(pattern, spans=2) == ["day-10/v2/a.txt", "day-2/v10/a.txt"]
    assert names(pattern, spans=9) == ["day-1/v1/a.txt", "day-10/v2/a.txt", "day-2/v10/a.txt"]
    write(tmp_path, "day-11/v1/c.txt")
    assert names(pattern) == ["day-11/v1/c.txt"]


def test_the_latest_span_is_the_one_that_tfx_finds(tmp_path):
    from tfx.components.example_gen import utils
    from tfx.proto import example_gen_pb2

    write(tmp_path, "s-03/v1/a.txt", "s-12/v1/a.txt", "s-12/v2/a.txt", "s-12/v2/b.txt")
    split = example_gen_pb2.Input.Split(name="s", pattern="s-{SPAN:2}/v{VERSION}/*")
    _, span, version = utils.calculate_splits_fingerprint_span_and_version(str(tmp_path), [split])
    assert (span, version) == (12, 2)
    expected = sorted(str(path) for path in tmp_path.glob(split.pattern))
    assert [file.path for file in find_corpus(str(tmp_path / "s-{SPAN:2}/v{VERSION}/*")).files] == expected


def test_spans_by_date(tmp_path):
    write(tmp_path, "2025-12-31/a.txt", "2026-01-01/a.txt", "2026-01-01/b.txt")
    assert names(tmp_path / "{YYYY}-{MM}-{DD}" / "*.txt") == ["2026-01-01/a.txt", "2026-01-01/b.txt"]


@pytest.mark.parametrize("pattern", ["{SPAN}-{SPAN}/*", "v{VERSION}/*", "{SPAN:x}/*", "{YYYY}/*", "{SPAN}/*"])
def test_a_wrong_span_pattern_says_what_one_is_like(tmp_path, pattern):
    write(tmp_path, "yesterday/a.txt")
    with pytest.raises(CorpusError, match=r"cannot be read: .*texts/day-\{SPAN\}"):
        find_corpus(str(tmp_path / pattern))


def test_a_span_pattern_without_files(tmp_path):
    with pytest.raises(CorpusError, match="no file matches"):
        find_corpus(str(tmp_path / "{SPAN}" / "*"))


def test_the_fingerprint_changes_with_the_files(tmp_path):
    write(tmp_path, "a.txt")
    first = fingerprint(str(tmp_path))
    assert first == fingerprint(str(tmp_path))
    os.utime(tmp_path / "a.txt", (1, 1))
    second = fingerprint(str(tmp_path))
    write(tmp_path, "b.txt")
    assert len({first, second, fingerprint(str(tmp_path))}) == 3


def test_the_catalogue_has_a_text_that_needs_no_network():
    (file,) = find_corpus("python-docs").files
    assert file == CatalogueFile("python-docs", "python-docs")
    with file.open() as content:
        text = content.read().decode()
    assert len(text) > 400_000
    assert text.startswith('The "assert" statement')
    assert file.identity == ("python-docs", catalogue.identity("python-docs"))
    assert fingerprint("python-docs") == fingerprint("python-docs") != fingerprint("sherlock")


def test_the_fingerprint_of_a_download_needs_no_network():
    (file,) = find_corpus("sherlock").files
    assert file.identity[1].startswith("e2189530")
    assert len(fingerprint("sherlock")) == 64


def test_tables_of_the_catalogue_stand_beside_files(tmp_path):
    write(tmp_path, "a.csv")
    found = find_tables(["cmudict", str(tmp_path / "a.csv"), "g2p-fre-dev", "cmudict"]).files
    assert [file.name for file in found] == ["cmudict", "a.csv", "g2p-fre-dev"]
    assert [file.ending for file in found] == [".dict", ".csv", ".tsv"]


def test_a_text_is_no_table_and_a_table_is_no_text():
    with pytest.raises(CorpusError, match=r"no file matches 'cmudict'.*the catalogue has python-docs, sherlock"):
        find_corpus("cmudict")
    with pytest.raises(CorpusError, match=r"data\.files.*the catalogue has .*g2p-fre-dev"):
        find_tables(["g2p-fra-dev"])


def tables(*inputs, **settings):
    found = find_files([str(path) for path in inputs], (".csv", ".tsv"), **settings)
    return [file.name for file in found.files]


ODD = ["exp[2]", "100% #1", "a *b?", "sp ace", "{x}", "~", "!é"]


@pytest.mark.parametrize("odd", ODD)
def test_names_are_no_patterns(tmp_path, odd):
    """A file or folder that is there is meant, whatever wildcards its name has."""
    write(tmp_path, f"{odd}/in {odd}.tsv", f"{odd}/{odd}/other.csv", "exp2/no.tsv", "a b/no.tsv")
    assert tables(tmp_path / odd / f"in {odd}.tsv") == [f"in {odd}.tsv"]
    assert set(tables(tmp_path / odd)) == {f"in {odd}.tsv", f"{odd}/other.csv"}
    assert tables(tmp_path / odd / "in*.tsv") == [f"in {odd}.tsv"]
    assert tables(tmp_path / odd / odd / "*") == ["other.csv"]
    assert tables(tmp_path / odd / "**" / "*.csv") == [f"{odd}/other.csv"]
    for day in (1, 2):
        write(tmp_path, f"{odd}/day-{day}/{odd}/x.tsv")
    assert tables(tmp_path / odd / "day-{SPAN}" / odd / "*.tsv") == [f"day-2/{odd}/x.tsv"]


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=12))
def test_any_name_of_a_file_names_it(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("any")
    path = folder / f"x{name}"
    path.write_bytes(b"x")
    assert [file.path for file in find_files(str(path), (".csv",)).files] == [str(path)]


def test_endings_are_read_without_regard_to_case(tmp_path):
    write(tmp_path, "A.TSV", "b.Csv.GZ", "c.csv", "d.txt")
    found = find_files(str(tmp_path), (".csv", ".tsv"))
    assert [file.name for file in found.files] == ["A.TSV", "b.Csv.GZ", "c.csv"]
    assert [(file.ending, file.packing) for file in found.files] == [(".tsv", ""), (".csv", ".gz"), (".csv", "")]
    assert found.others == (str(tmp_path / "d.txt"),)
    assert names(tmp_path) == ["d.txt"]
    write(tmp_path, "BOOK.TXT")
    assert names(tmp_path) == ["BOOK.TXT", "d.txt"]


def test_hidden_files_are_left_out_and_named(tmp_path):
    write(tmp_path, "a.csv", ".git/b.csv", "in/.ipynb_checkpoints/c.csv", "in/.DS_Store", "in/d.csv", ".e.csv")
    hidden = (".e.csv", ".git", "in/.DS_Store", "in/.ipynb_checkpoints")
    found = find_files(str(tmp_path), (".csv",))
    assert [file.name for file in found.files] == ["a.csv", "in/d.csv"]
    assert found.hidden == tuple(str(tmp_path / name) for name in hidden)
    found = find_files(str(tmp_path / "*.csv"), (".csv",))
    assert ([file.name for file in found.files], found.hidden) == (["a.csv"], (str(tmp_path / ".e.csv"),))
    assert tables(tmp_path / ".e.csv") == [".e.csv"]
    assert tables(tmp_path / ".git") == ["b.csv"]
    assert tables(tmp_path / ".*.csv") == [".e.csv"]


def test_several_inputs_in_their_order_and_no_file_twice(tmp_path):
    write(tmp_path, "b.csv", "a.csv", "c/d.csv")
    assert tables(tmp_path / "b.csv", tmp_path, tmp_path / "c" / "*.csv") == ["b.csv", "a.csv", "c/d.csv"]


def test_an_error_names_what_is_near(tmp_path, monkeypatch):
    write(tmp_path, "data/Train.csv", "data/notes.md", "empty/x.md")
    for name, near in (("data/train.csv", "'Train.csv'"), ("dta/Train.csv", "'data'"), ("data/*.tsv", "'Train.csv'")):
        with pytest.raises(DataError, match=rf"no file matches .*{near}.*data\.files"):
            tables(tmp_path / name)
    with pytest.raises(DataError, match=r"no file in the folder .*empty' ends in \.csv, \.tsv \(it has 'x\.md'\)"):
        tables(tmp_path / "empty")
    monkeypatch.chdir(tmp_path / "data")
    with pytest.raises(DataError, match=rf"relative path starts at {tmp_path}/data"):
        find_files("none.csv", (".csv",))
    with pytest.raises(DataError, match=r"data\.files is empty"):
        find_files((), (".csv",))


def test_a_pipe_and_a_link_to_nothing_are_named_as_what_they_are(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is no file that can be read more than once, such as a pipe; save its content"):
        find_files(str(tmp_path / "pipe"), (".csv",))
    (tmp_path / "link.csv").symlink_to("gone.csv")
    with pytest.raises(DataError, match=r"is a link to 'gone\.csv', where nothing is"):
        find_files(str(tmp_path / "link.csv"), (".csv",))


def test_links_are_followed_to_files_and_round_no_loops(tmp_path):
    write(tmp_path, "real/a.csv")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked.csv").symlink_to(tmp_path / "real" / "a.csv")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "gone.csv").symlink_to(tmp_path / "nowhere")
    assert tables(tmp_path / "in") == ["linked.csv"]
    assert tables(tmp_path / "in" / "loop") == ["linked.csv"]


def test_any_file_system_that_beam_knows():
    content = {"day-1/a.csv": b"1", "day-2/B.CSV": b"2", "day-2/.hidden/c.csv": b"3", "x[1]/d.csv": b"4"}
    InMemoryFileSystem.files = {f"bucket://data/{name}": data for name, data in content.items()}
    assert tables("bucket://data") == ["day-1/a.csv", "day-2/B.CSV", "x[1]/d.csv"]
    assert find_files("bucket://data", (".csv",)).hidden == ("bucket://data/day-2/.hidden/c.csv",)
    assert tables("bucket://data/x[1]/d.csv") == ["d.csv"]
    assert tables("bucket://data/x[1]") == ["d.csv"]
    assert tables("bucket://data/day-*/*.csv") == ["day-1/a.csv"]
    assert tables("bucket://data/day-{SPAN}/*") == ["day-2/B.CSV"]
    (file,) = find_files("bucket://data/day-1/a.csv", (".csv",)).files
    with file.open() as opened:
        assert opened.read() == b"1"
    assert file.size == 1
    with pytest.raises(DataError, match="no file matches 'bucket://data/none"):
        tables("bucket://data/none.csv")


def test_a_name_that_is_not_utf_8_is_said(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.tsv")).write_text("a\tb\n")
    with pytest.raises(DataError, match=rf"^the name of {tmp_path}/a\\xff\.tsv is not UTF-8; rename the file$"):
        find_files(str(tmp_path), [".tsv"])
