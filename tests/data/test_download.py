"""Downloads: cleaned, checked, kept; and what is said when they fail."""

import contextlib
import hashlib
import http.server
import os
import threading

import pytest

from data import catalogue, download, g2p
from data.download import Download, cache_path, clean, open_download
from data.errors import CorpusError

BOOK = "\nA Title\n\nby N. N.\n\n“Naïve,” she said.\n\n".encode()
HEADER = b"The eBook of A Title\n\n*** START OF THE PROJECT GUTENBERG EBOOK A TITLE THAT\nGOES ON ***\n\n\n\n\n"
FOOTER = b"\n\n\n*** END OF THE PROJECT GUTENBERG EBOOK A TITLE THAT\nGOES ON ***\n\nlicence\n"
RAW = b"\xef\xbb\xbf" + (HEADER + BOOK.strip() + FOOTER).replace(b"\n", b"\r\n")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "charseq"


@contextlib.contextmanager
def serve(content, claimed=None):
    """A web server with one page; yields its address and the list of requests."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(claimed or len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/book.txt", requests
        finally:
            server.shutdown()
            thread.join()


def book(address):
    return Download("book", address, hashlib.sha256(BOOK).hexdigest(), clean=clean)


def read(wanted):
    with open_download(wanted) as file:
        return file.read()


TABLE = b"abc\ta b c\r\n"


def table(address):
    return Download("words", address, hashlib.sha256(TABLE).hexdigest(), "data.files")


def test_a_table_is_kept_as_it_is_under_its_own_ending(cache):
    with serve(TABLE) as (address, requests):
        wanted = table(address.replace("book.txt", "words.tsv"))
        assert read(wanted) == read(wanted) == TABLE
        assert requests == ["/words.tsv"]
    assert os.listdir(cache) == ["words.tsv"]


def test_without_a_network_a_table_is_asked_for_by_its_own_setting(cache):
    with pytest.raises(CorpusError) as raised:
        read(table("http://127.0.0.1:9/words.tsv"))
    assert f"put a copy of http://127.0.0.1:9/words.tsv at {cache / 'words.tsv'}" in str(raised.value)
    assert "--set data.files=/path/to/your/copy" in str(raised.value)


def test_the_catalogue_has_every_language_of_the_shared_task():
    assert len(g2p.LANGUAGES) == 15
    for language in g2p.LANGUAGES:
        for split in g2p.SPLITS:
            found = catalogue.DOWNLOADS[f"g2p-{language}-{split}"]
            assert found.address.endswith(f"/task1/data/{split}/{language}_{split}.tsv")
            assert len(found.sha256) == 64
    hashes = [entry.sha256 for entry in catalogue.DOWNLOADS.values()]
    assert len(set(hashes)) == len(hashes)
    assert {*catalogue.TEXTS, *catalogue.TABLES} == {*catalogue.DOWNLOADS, catalogue.PYTHON_DOCS, catalogue.MILK}


def test_header_footer_and_line_ends_go():
    assert clean(RAW) == BOOK
    assert clean(BOOK) == BOOK


def test_it_is_downloaded_once_and_cleaned(cache):
    with serve(RAW) as (address, requests):
        assert read(book(address)) == BOOK
        assert read(book(address)) == BOOK
        assert len(requests) == 1
    assert os.listdir(cache) == ["book.txt"]


@pytest.mark.parametrize("copy", [RAW, BOOK])
def test_a_copy_in_the_cache_is_used_without_a_network(cache, copy):
    cache.mkdir(parents=True)
    (cache / "book.txt").write_bytes(copy)
    assert read(book("http://nowhere.invalid/book.txt")) == BOOK


def test_without_a_network_the_error_says_what_to_do(cache):
    with pytest.raises(CorpusError) as raised:
        read(book("http://127.0.0.1:9/book.txt"))
    assert f"put a copy of http://127.0.0.1:9/book.txt at {cache / 'book.txt'}" in str(raised.value)
    assert "--set data.corpus=/path/to/your/copy" in str(raised.value)


def test_another_text_is_refused_and_kept_for_who_wants_it(cache):
    with serve(RAW.replace(b"she", b"he")) as (address, _), pytest.raises(CorpusError, match="its sha256 is") as raised:
        read(book(address))
    (kept,) = os.listdir(cache)
    assert (cache / kept).read_bytes() == BOOK.replace(b"she", b"he")
    assert f"data.corpus={cache / kept}" in str(raised.value)


def test_a_wrong_copy_in_the_cache_is_refused(cache):
    cache.mkdir(parents=True)
    (cache / "book.txt").write_bytes(b"another book")
    with pytest.raises(CorpusError, match=r"book\.txt is not 'book' of the catalogue"):
        read(book("http://nowhere.invalid/book.txt"))
    (cache / "book.txt").write_bytes(b"\xff")
    with pytest.raises(CorpusError, match=r"book\.txt is no UTF-8 text \(byte 0\)"):
        read(book("http://nowhere.invalid/book.txt"))


def test_a_page_that_is_not_there_or_breaks_off_or_never_ends(cache, monkeypatch):
    with serve(None) as (address, _), pytest.raises(CorpusError, match=r"cannot download .*Not Found"):
        read(book(address))
    with serve(RAW, claimed=len(RAW) + 5) as (address, _), pytest.raises(CorpusError, match="broke off after"):
        read(book(address))
    monkeypatch.setattr(download, "_LARGEST_BYTES", 50)
    with serve(RAW) as (address, _), pytest.raises(CorpusError, match="has more than 50 bytes"):
        read(book(address))
    monkeypatch.setattr(download, "_LONGEST_SECONDS", -1)
    monkeypatch.setattr(download, "_LARGEST_BYTES", 1 << 20)
    with serve(RAW) as (address, _), pytest.raises(CorpusError, match="try again"):
        read(book(address))
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with serve(RAW) as (address, _), pytest.raises(CorpusError, match="set XDG_CACHE_HOME to a folder"):
        read(book(address))


def test_the_cache_is_where_the_xdg_specification_has_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    for value in ("", "relative/is/ignored"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_path("book") == "/home/someone/.cache/charseq/book.txt"
    assert all(entry.address.startswith("https://") for entry in catalogue.DOWNLOADS.values())
