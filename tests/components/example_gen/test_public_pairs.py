"""The tasks of public pairs: what they read, by language, from the cache or from a user's own copies."""

import dataclasses
import hashlib

import pytest

from components.example_gen.pairs import find_pairs, plan_pairs, read_pairs
from components.example_gen.settings import PairsData
from components.settings import SettingsError
from data import catalogue
from data.tables.report import ReadReport
from pipeline.config.task_files import load_task


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "charseq").mkdir(parents=True)
    return tmp_path / "cache" / "charseq"


def keep(cache, monkeypatch, name, content):
    """Puts a file into the cache as though it were the one of the catalogue."""
    known = dataclasses.replace(catalogue.DOWNLOADS[name], sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(catalogue.DOWNLOADS, name, known)
    (cache / f"{name}{known.ending}").write_bytes(content)


def read(data):
    """Returns the rows by split: 0 those of `files`, 1 of `validation_files`, 2 of `test_files`."""
    found = {0: [], 1: [], 2: []}
    for part in plan_pairs(data, find_pairs(data)):
        for batch in read_pairs(data, part.part, ReadReport(data.on_error)):
            found[part.source] += [tuple(row.values()) for row in batch.to_pylist()]
    return found


def test_g2p_has_the_three_splits_of_the_shared_task_in_the_language(cache, monkeypatch):
    for split in ("train", "dev", "test"):
        keep(cache, monkeypatch, f"g2p-ice-{split}", f"{split}\tð ɪ s\n".encode())
    found = read(load_task("g2p", ["data.language=ice"]).data)
    assert found == {0: [("train", "ð ɪ s")], 1: [("dev", "ð ɪ s")], 2: [("test", "ð ɪ s")]}


def test_g2p_reads_a_users_own_copies(tmp_path):
    for split in ("train", "dev"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "bul.tsv").write_text(f"{split}\tʃ a\n")
    own = [f"data.files={tmp_path}/train/{{LANGUAGE}}.tsv", f"data.test_files={tmp_path}/dev/{{LANGUAGE}}.tsv"]
    found = read(load_task("g2p", ["data.language=bul", "data.validation_files=", *own]).data)
    assert found == {0: [("train", "ʃ a")], 1: [], 2: [("dev", "ʃ a")]}


def test_cmudict_is_read_without_stress_unless_it_is_asked_for(cache, monkeypatch):
    keep(cache, monkeypatch, "cmudict", b"tomato T AH0 M EY1 T OW2\ntomato(2) T AH0 M AA1 T OW2\n")
    bare, stressed = (read(load_task("cmudict", settings).data)[0] for settings in ([], ["data.target_without="]))
    assert bare == [("tomato", "T AH M EY T OW"), ("tomato", "T AH M AA T OW")]
    assert stressed == [("tomato", "T AH0 M EY1 T OW2"), ("tomato", "T AH0 M AA1 T OW2")]


def test_symbols_that_are_left_out_leave_no_spaces(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tˈ b | a . ˌ c\n")
    assert read(PairsData((str(path),), target_without="ˈˌ.|"))[0] == [("a", "b a c")]


def test_a_language_that_is_missing_or_not_there_is_named():
    with pytest.raises(SettingsError, match=r"data\.files has {LANGUAGE}; say which one, such as --set data\.language"):
        load_task("g2p", ["data.language="])
    with pytest.raises(SettingsError, match=r"g2p-fra-train.*the catalogue has .*g2p-fre-train"):
        find_pairs(load_task("g2p", ["data.language=fra"]).data)
