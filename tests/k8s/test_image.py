"""The image, as far as it can be looked into without an engine that builds it."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.k8s.conftest import K8S

pytestmark = pytest.mark.e2e

ROOT = K8S.parent
DOCKERFILE = (K8S / "Dockerfile").read_text()


def instructions():
    """Returns the Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def copied():
    """Returns the sources that come from the checkout."""
    sources = []
    for name, arguments in instructions():
        if name == "COPY" and not arguments.startswith("--from"):
            sources += arguments.split()[:-1]
    return sources


def ignored(path):
    """What k8s/Dockerfile.dockerignore says of a path, the last pattern that matches deciding."""
    result = False
    for line in (K8S / "Dockerfile.dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.lstrip("!").removeprefix("**/")
            parts = [path, *path.split("/")] if line.startswith("**/") else [path, path.split("/")[0]]
            if any(fnmatch.fnmatch(part, pattern) for part in parts):
                result = not line.startswith("!")
    return result


def test_every_source_of_a_copy_is_there_and_is_not_ignored():
    assert len(copied()) >= 9
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not ignored(source.rstrip("/")), source
    assert ignored("runs/serving")
    assert ignored(".venv/bin/python")
    assert ignored("pipeline/__pycache__/cli.pyc")


def test_every_package_of_the_project_is_copied():
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {*(pattern.rstrip("*") for pattern in found), "client"} == {
        source.rstrip("/") for source in copied() if source[-1] == "/"
    }


def test_stages_start_from_one_pinned_image():
    (python,) = (arguments for name, arguments in instructions() if name == "ARG" and arguments.startswith("PYTHON="))
    assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-bookworm", python)
    assert [arguments.split()[0] for name, arguments in instructions() if name == "FROM"] == ["${PYTHON}"] * 2


def test_it_runs_as_the_user_that_the_pods_run_as():
    users = [arguments for name, arguments in instructions() if name == "USER"]
    assert users == ["1000:1000"]
    after = [name for name, _ in instructions()]
    assert "RUN" not in after[after.index("USER") :]


def test_packages_come_from_the_locks_with_hashes_alone():
    installs = re.findall(r"(?:pip install)[^&|]*", " ".join(a for n, a in instructions() if n == "RUN"))
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--editable ." in install
        assert "--no-deps" in install or "requirements-uv.lock" in install


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """What /app is in the image."""
    folder = tmp_path_factory.mktemp("image") / "app"
    for source in copied():
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(path, folder)
    return folder


def run(app, *arguments):
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{app}:{app / 'client'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/tmp",
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=app, env=environment, capture_output=True, text=True, check=False
    )


def test_the_entry_point_of_the_steps_imports(app):
    done = run(app, "-c", "import pipeline.kubeflow.entrypoint as e; print(e.__file__)")
    assert done.stdout.strip() == str(app / "pipeline" / "kubeflow" / "entrypoint.py"), done.stderr
    assert "the following arguments are required" in run(app, "-m", "pipeline.kubeflow.entrypoint").stderr
    assert run(app, "-m", "serving", "--help").returncode == 0
    assert run(app, "-c", "from pipeline.cli import main; main(['tasks'])").returncode == 0


@pytest.mark.parametrize("pattern", ["*.pbtxt", "*.jinja"])
def test_files_that_are_no_code_are_in_it(app, pattern):
    def relative(folder):
        found = [path for package in ("components", "pipeline") for path in (folder / package).rglob(pattern)]
        return {path.relative_to(folder) for path in found}

    assert relative(app) == relative(ROOT) != set()


@pytest.mark.skipif(
    not shutil.which("readelf"), reason="readelf, which lists what libraries need, is not installed here"
)
def test_what_the_packages_need_of_the_system_is_in_the_slim_image():
    site = Path(pytest.__file__).parents[1]
    files = [path for path in site.rglob("*.so*") if path.is_file()]
    dev = {path for path in files if path.relative_to(site).parts[0] in ("mypy", "mypyc") or "__mypyc" in path.name}
    said = subprocess.run(
        ["readelf", "-d", *map(str, set(files) - dev)], capture_output=True, text=True, check=False
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", said)) - {path.name for path in files}
    glibc = {f"lib{name}.so" for name in ("c", "m", "dl", "rt", "pthread")} | {"ld-linux-x86-64.so"}
    assert {name.rpartition(".so")[0] + ".so" for name in needed} <= glibc | {"libgcc_s.so", "libstdc++.so", "libz.so"}


def test_what_pip_finds_amiss_is_what_the_overrides_say():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    overridden = {Requirement(text).name for text in project["tool"]["uv"]["override-dependencies"]}
    uv = Path(sys.executable).with_name("uv")
    said = subprocess.run(
        [uv, "pip", "check", "--python", sys.executable], capture_output=True, text=True, check=False
    ).stderr
    complaints = re.findall(r"requires `([A-Za-z0-9_.-]+)", said)
    assert complaints, said
    assert {name.lower().replace("_", "-") for name in complaints} <= overridden


def test_the_gpu_variant_adds_what_tensorflow_asks_for_on_a_gpu():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    asked = [Requirement(text) for text in requires("tensorflow")]
    wanted = {f"{r.name}{r.specifier}" for r in asked if r.marker and r.marker.evaluate({"extra": "and-cuda"})}
    given = {f"{r.name}{r.specifier}" for r in map(Requirement, groups["gpu"])}
    assert {name for name in wanted if name.startswith("nvidia")} == given
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-gpu.lock").read_text(), re.MULTILINE)
    assert {Requirement(text).name for text in groups["gpu"]} <= set(locked)
