"""Runs in folders of any name, and roots that were moved, copied, or that have lost artifacts."""

import json
import shutil

import pytest

from pipeline.lineage import connection_config, open_store
from pipeline.local.moved_root import follow_moved_root
from pipeline.places import Places
from tests.pipeline.tiny import write_tiny_task

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for data and roots whose name looks like a pattern."""
    return tmp_path_factory.mktemp("sp ace[1] *?")


@pytest.fixture(scope="module")
def task(place):
    """A task whose data file has brackets in its name."""
    path = write_tiny_task(place)
    (place / "pairs.tsv").rename(place / "base [v1].tsv")
    path.write_text(path.read_text().replace("pairs.tsv", "base [v1].tsv"))
    return path


@pytest.fixture(scope="module")
def first(charseq, place, task):
    """A run into a root whose name looks like a pattern."""
    result = charseq("run", task, "--json", "--root", place / "r[1]")
    assert result.status == 0, result.stderr
    return result.json


def _files(root):
    """Returns the content of all files of a root but those of the runs that look at it."""
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_a_folder_is_no_pattern(charseq, first, place):
    assert first["blessed"]
    version = place / "r[1]" / "serving" / "tiny" / str(first["pushed_version"])
    assert charseq("predict", "--model-dir", version, "abc").status == 0
    # The links that stand for the root while components run are named nowhere.
    store = open_store(str(place / "r[1]" / "metadata.sqlite"), read_only=True)
    for artifact in store.get_artifacts():
        assert artifact.uri.startswith(f"{place}/r[1]/artifacts/tiny/")
        values = [value.string_value for value in artifact.custom_properties.values()]
        assert not [value for value in values if value.startswith("/") and not value.startswith(str(place))]


@pytest.mark.slow
def test_a_copied_root_is_a_root_of_its_own(charseq, first, place, task):
    copied = place / "copied"
    shutil.copytree(place / "r[1]", copied)
    before = _files(place / "r[1]")
    shutil.rmtree(copied / "artifacts" / "tiny" / "StatisticsGen")  # it is made again
    result = charseq("run", task, "--json", "--root", copied, "--set", "run.cache=true")
    assert result.status == 0, result.stderr
    assert "PairsExampleGen" in result.json["cached"]
    assert "StatisticsGen" not in result.json["cached"]
    for uri in result.json["artifacts"].values():
        assert uri.startswith(f"{copied}/artifacts/tiny/")
    assert result.json["pushed_version"] > first["pushed_version"]
    assert result.json["serving_dir"] == str(copied / "serving")
    assert json.dumps(str(place / "r[1]"))[1:-1] not in (copied / "serving" / "models.config").read_text()
    assert _files(place / "r[1]") == before
    # Both runs' artifacts are found where they are now.
    shown = charseq("runs", "show", "1", "--json", "--root", copied).json
    assert all(uri.startswith(str(copied)) for uri in shown["artifacts"].values())


def test_what_lies_elsewhere_is_left_alone(tmp_path):
    path = str(tmp_path / "metadata.sqlite")
    assert connection_config(path).sqlite.filename_uri == path
    follow_moved_root(Places(str(tmp_path)))  # there is none yet
    assert not (tmp_path / "metadata.sqlite").exists()
    from ml_metadata import proto

    store = open_store(path)
    kind = store.put_artifact_type(proto.ArtifactType(name="Model"))
    uris = [
        "/before/artifacts/tiny/Trainer/model/8",
        "gs://bucket/root/artifacts/tiny/Trainer/model/8",
        "/models/elsewhere",
        "relative/artifacts/tiny/Trainer/model/8",
        "/root/artifacts/artifacts/Trainer/model/8",
        f"{tmp_path}/artifacts/tiny/Trainer/model/9",
    ]
    store.put_artifacts([proto.Artifact(type_id=kind, uri=uri) for uri in uris])
    follow_moved_root(Places(str(tmp_path)))
    assert [artifact.uri for artifact in store.get_artifacts()] == [
        f"{tmp_path}/artifacts/tiny/Trainer/model/8",
        *uris[1:4],
        f"{tmp_path}/artifacts/artifacts/Trainer/model/8",
        uris[5],
    ]
