"""Serving folders with unusual names, and folders that were moved or copied."""

import shutil
from pathlib import Path

import pytest

from charseq_client import Client
from serving.contract.model_config import read_config, register, write_config
from serving.local import LocalModel
from serving.rollout import promote
from tests.serving.conftest import Push
from tests.serving.load import QUICK
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ["r[1]", "all *", "what?", "back\\slash"])
def test_a_model_is_loaded_from_a_folder_whose_name_looks_like_a_pattern(
    name: str, tmp_path: Path, shout_models: dict[int, Path]
) -> None:
    shutil.copytree(shout_models[2], tmp_path / name / "shout" / "2")
    with LocalModel(tmp_path / name / "shout") as model:
        assert model.predict({"text": ["ab"]}).strings("text") == ["2:ab:AB"]


def test_a_folder_whose_name_looks_like_a_pattern_is_served(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    serving_dir = tmp_path / "r[1] *"
    push(shout_models[1], serving_dir / "shout", 1)
    with running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as server, Client(server.target) as client:
        assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["1:ab:AB"]


@pytest.fixture
def pushed(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> Path:
    """A serving folder with a model, of whose two versions the older one is stable."""
    serving_dir = tmp_path / "before" / "serving"
    for version in (1, 2):
        push(shout_models[version], serving_dir / "shout", version)
    register(serving_dir, "shout")
    promote(serving_dir, "shout", 1)
    return serving_dir


def _base_path(serving_dir: Path) -> str:
    (entry,) = read_config(serving_dir / "models.config").model_config_list.config
    return str(entry.base_path)


def test_a_copied_folder_serves_its_own_models(
    pushed: Path, tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(pushed, copied)
    shutil.rmtree(copied / "shout" / "1")
    push(shout_models[3], copied / "shout", 1)  # it answers as 3, so that it can be told from the first folder's
    with running_server(tmp_path, f"--serving_dir={copied}", *QUICK) as server, Client(server.target) as client:
        assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["3:ab:AB"]
    promote(copied, "shout", 2)
    assert _base_path(copied) == str(copied / "shout")
    assert _base_path(pushed) == str(pushed / "shout")


def test_a_push_into_a_copied_folder_corrects_its_file(pushed: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(pushed, copied)
    assert not register(copied, "shout")
    assert f'"{copied / "shout"}"' in (copied / "models.config").read_text()
    assert str(pushed) not in (copied / "models.config").read_text()


def test_models_elsewhere_stay_there_when_a_folder_is_copied(pushed: Path, tmp_path: Path) -> None:
    config = read_config(pushed / "models.config")
    config.model_config_list.config.add(name="other", base_path="/models/other", model_platform="tensorflow")
    write_config(pushed / "models.config", config)
    copied = tmp_path / "copied"
    shutil.copytree(pushed, copied)
    paths = [entry.base_path for entry in read_config(copied / "models.config").model_config_list.config]
    assert paths == [str(copied / "shout"), "/models/other"]


def test_a_file_that_says_nothing_of_its_folder_is_read_as_it_is(pushed: Path, tmp_path: Path) -> None:
    for line in ("", "# Written in the folder: nonsense\n", "# Written in the folder: 7\n"):
        text = 'model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow" } }'
        (tmp_path / "models.config").write_text(line + text)
        assert _base_path(tmp_path) == "/models/m"
