"""Models and servers that the tests of serving share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.scripted import Scripted, scripted_servers


@pytest.fixture(scope="session")
def shout_models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """SavedModels that answer with their version: 1, 2 and 3."""
    from tests.serving.saved_models import save_shout

    folder = tmp_path_factory.mktemp("shout")
    return {version: save_shout(folder / str(version), version) for version in (1, 2, 3)}


@pytest.fixture(scope="session")
def numbers_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of numbers."""
    from tests.serving.saved_models import save_numbers

    return save_numbers(tmp_path_factory.mktemp("numbers") / "1")


@pytest.fixture(scope="session")
def judge_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that classifies and does regression."""
    from tests.serving.saved_models import save_judge

    return save_judge(tmp_path_factory.mktemp("judge") / "1")


@pytest.fixture(scope="session")
def writer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with the interface of a language model."""
    from tests.serving.saved_models import save_writer

    return save_writer(tmp_path_factory.mktemp("writer") / "1")


@pytest.fixture(scope="session")
def compiled_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that asks for XLA's compiler."""
    from tests.serving.saved_models import save_compiled

    return save_compiled(tmp_path_factory.mktemp("compiled") / "1")


@pytest.fixture(scope="session")
def heavy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that needs 40 KB a row while it runs."""
    from tests.serving.saved_models import save_heavy

    return save_heavy(tmp_path_factory.mktemp("heavy") / "1")


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Starts servers that misbehave as a test says."""
    with scripted_servers() as start:
        yield start


Push = Callable[[Path, Path, int], Path]


@pytest.fixture(scope="session")
def push() -> Push:
    """Publishes a SavedModel as a version the way a careful pusher does: copied aside, then renamed."""

    def push_version(model: Path, base_path: Path, version: int) -> Path:
        base_path.mkdir(parents=True, exist_ok=True)
        aside, target = base_path / f".{version}.tmp", base_path / str(version)
        shutil.copytree(model, aside)
        return aside.rename(target)

    return push_version
