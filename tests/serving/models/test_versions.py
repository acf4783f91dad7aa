"""Which versions of a model there are in its folder, and which of them a policy wants."""

import os

import pytest

from serving.contract.versions import (
    ModelSource,
    VersionPolicy,
    fingerprint,
    has_saved_model,
    models_in_folder,
    models_named,
    parse_version,
    versions_on_disk,
)


def save(folder, name="saved_model.pb"):
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"a model")


@pytest.mark.parametrize(
    ("policy", "selected"),
    [
        (VersionPolicy(), {9}),
        (VersionPolicy("latest", 2), {9, 3}),
        (VersionPolicy("latest", 0), {9}),  # as TensorFlow Serving counts it
        (VersionPolicy("latest", 10), {1, 3, 9}),
        (VersionPolicy("all"), {1, 3, 9}),
        (VersionPolicy("specific", versions=frozenset({1, 4})), {1}),
        (VersionPolicy("specific"), set()),
    ],
)
def test_a_policy_selects(policy, selected):
    assert policy.select([1, 9, 3]) == selected


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1", 1),
        ("0012", 12),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1a", None),
        ("٣", None),  # a digit, but not of ASCII
        (".publishing-1", None),
    ],
)
def test_a_name_that_is_a_version(name, version):
    assert parse_version(name) == version


def test_versions_are_folders_with_numbers(tmp_path):
    save(tmp_path / "m" / "1")
    save(tmp_path / "m" / "20")
    (tmp_path / "m" / "assets").mkdir()
    (tmp_path / "m" / "3").write_text("a file")
    assert versions_on_disk(str(tmp_path / "m")) == {1: f"{tmp_path}/m/1", 20: f"{tmp_path}/m/20"}
    (tmp_path / "empty").mkdir()
    assert versions_on_disk(str(tmp_path / "empty")) == {}
    assert versions_on_disk(str(tmp_path / "away")) is None, "a folder that is away is not an empty one"


def test_models_are_folders_with_a_version_that_is_a_saved_model(tmp_path, monkeypatch):
    save(tmp_path / "b" / "1")
    save(tmp_path / "a" / "2", "saved_model.pbtxt")
    save(tmp_path / ".hidden" / "1")
    (tmp_path / "half" / "1").mkdir(parents=True)
    (tmp_path / "models.config").write_text("")
    expected = [ModelSource("a", f"{tmp_path}/a"), ModelSource("b", f"{tmp_path}/b")]
    assert models_in_folder(str(tmp_path)) == expected
    assert models_named(str(tmp_path), ["b", "nobody", ".hidden"]) == expected[1:]
    monkeypatch.chdir(tmp_path)
    assert models_in_folder(".") == expected, "TensorFlow Serving asks for absolute paths"
    assert models_in_folder(str(tmp_path / "away")) == []


def test_a_saved_model_is_a_file(tmp_path):
    assert not has_saved_model(str(tmp_path))
    (tmp_path / "saved_model.pb").mkdir()
    assert not has_saved_model(str(tmp_path))
    (tmp_path / "saved_model.pbtxt").touch()
    assert has_saved_model(str(tmp_path))


def test_a_fingerprint_changes_with_any_file(tmp_path):
    save(tmp_path / "1")
    (tmp_path / "1" / "variables").mkdir()
    (tmp_path / "1" / "variables" / "index").write_text("abc")
    before = fingerprint(str(tmp_path / "1"))
    assert [entry[:2] for entry in before] == [("saved_model.pb", 7), ("variables/index", 3)]
    assert fingerprint(str(tmp_path / "1")) == before
    os.utime(tmp_path / "1" / "variables" / "index", ns=(1, 1))
    touched = fingerprint(str(tmp_path / "1"))
    assert touched[1] == ("variables/index", 3, 1)
    (tmp_path / "1" / "variables" / "index").unlink()
    assert len(fingerprint(str(tmp_path / "1"))) == 1
    assert fingerprint(str(tmp_path / "away")) == ()


def test_a_file_that_goes_away_meanwhile_is_left_out(tmp_path):
    save(tmp_path / "1")
    for number in range(20):  # the order of a folder is any
        (tmp_path / "1" / f"gone{number}").symlink_to("nowhere")
        (tmp_path / "1" / f"there{number}").write_text("")
    assert len(fingerprint(str(tmp_path / "1"))) == 21
