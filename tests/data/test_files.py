"""Which files a corpus is: the catalogue, files, globs, folders, spans."""

import gzip
import os

import pytest

from data import catalogue
from data.corpora import CatalogueFile, find_corpus, fingerprint
from data.errors import CorpusError


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
    with pytest.raises(CorpusError, match=r"cannot be told: .*texts/day-\{SPAN\}"):
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
    assert fingerprint("python-docs") == catalogue.identity("python-docs")


def test_the_fingerprint_of_a_download_needs_no_network():
    assert fingerprint("sherlock").startswith("e2189530")
    assert set(catalogue.SUMMARIES) == {*catalogue.DOWNLOADS, "python-docs"}
