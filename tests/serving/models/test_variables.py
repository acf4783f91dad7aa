"""A version without its variables is not served: it is still being copied, or its folder was moved while it was loaded."""

import shutil
from pathlib import Path

import pytest

from charseq_client import Client, PredictionError
from serving.contract.errors import Code
from serving.local import LocalModel
from serving.server.models import saved_model
from tests.serving.conftest import Push
from tests.serving.load import QUICK
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


def test_a_version_that_is_still_copied_is_served_when_it_is_whole(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base_path = tmp_path / "serving" / "shout"
    push(shout_models[1], base_path, 1)
    arguments = (f"--serving_dir={tmp_path / 'serving'}", *QUICK)
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        # As `cp -r` may do it: the graph first.
        shutil.copytree(shout_models[2], base_path / "2", ignore=lambda *_: ["variables"])
        while not any(status.error_code == Code.NOT_FOUND for status in client.status("shout")):
            assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["1:ab:AB"]
        assert "variables/variables.index" in server.log.read_text()
        shutil.copytree(shout_models[2] / "variables", base_path / "2" / "variables")
        client.wait_until_available("shout", version=2)
        assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["2:ab:AB"]


def test_a_folder_that_is_moved_away_while_it_is_loaded(
    tmp_path: Path, shout_models: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    version, aside = tmp_path / "shout" / "2", tmp_path / "aside"
    shutil.copytree(shout_models[2], version)
    load = saved_model.Session

    def load_without_variables(*arguments: object) -> object:
        (version / "variables").rename(aside)
        try:
            return load(*arguments)  # type: ignore[arg-type]
        finally:
            shutil.copytree(aside, version / "variables")  # another file of the same name

    monkeypatch.setattr(saved_model, "Session", load_without_variables)
    with pytest.raises(PredictionError, match=r"variables/variables\.index") as refused, LocalModel(tmp_path / "shout"):
        pass
    assert refused.value.code == Code.NOT_FOUND
