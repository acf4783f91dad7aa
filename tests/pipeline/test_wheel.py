"""charseq as a wheel: complete, and started from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.serving.processes import ROOT

pytestmark = pytest.mark.e2e

_PACKAGES = ("pipeline", "components", "serving", "data")


def _tracked(*folders: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheels of charseq and of its client, built from a copy: a build leaves files in its folder."""
    folder = tmp_path_factory.mktemp("wheels")
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so which files belong to the wheel is not known")
    for name in _tracked(*_PACKAGES, "client", "pyproject.toml", "README.md", "LICENSE"):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    sources = [str(folder / "source"), str(folder / "source" / "client")]
    subprocess.run([*command, "--wheel-dir", str(folder), *sources], check=True, timeout=180)
    (charseq,), (client,) = folder.glob("charseq-*.whl"), folder.glob("charseq_client-*.whl")
    return charseq, client


@pytest.fixture(scope="module")
def installed(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with both wheels; what they depend on is that of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--quiet",
        "--no-deps",
    ]
    subprocess.run([*command, "--no-index", *map(str, wheels)], check=True, timeout=120)
    (site,) = folder.glob("lib/*/site-packages")
    # A line of a .pth file is a folder. Its own .pth files, such as that of the checkout, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


def _run(program: Path, *arguments: str, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [str(program), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def test_every_file_of_the_packages_is_in_the_wheel(wheels: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as archive:
        packed = set(archive.namelist())

    assert {name for name in _tracked(*_PACKAGES) if name not in packed} == set()
    assert {f"{package}/py.typed" for package in _PACKAGES} <= packed
    assert not [name for name in packed if name.startswith(("tests/", "charseq_client/"))]


def test_it_starts_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    asked = _run(
        installed / "python",
        "-c",
        "import pipeline, charseq_client as c; print(pipeline.__file__, c.__file__)",
        cwd=tmp_path,
    )
    assert all(path.startswith(str(installed.parent)) for path in asked.stdout.split()), asked.stdout

    assert "sums" in _run(installed / "charseq", "tasks", cwd=tmp_path).stdout
    (tmp_path / "names.csv").write_text("raw,clean\n" + "".join(f"Name {n},name {n}\n" for n in range(200)))
    _run(installed / "charseq", "new", "names", "--family", "pairs", "--data", "names.csv", cwd=tmp_path)
    assert (tmp_path / "names.toml").exists()


@pytest.mark.slow
@pytest.mark.e2e
def test_it_runs_serves_and_answers_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    small = ["data.largest=9", "data.count=81", "train.epochs=1", "gate.exact_match=0"]
    assignments = [argument for value in small for argument in ("--set", value)]
    ran = _run(installed / "charseq", "run", "sums", *assignments, "--json", cwd=tmp_path, timeout=400)
    result = json.loads(ran.stdout.splitlines()[-1])

    assert result["blessed"]
    assert Path(result["report"]).is_file()
    asked = ("predict", "--model-dir", "runs/serving/sums", "--input", "-", "--column", "1")
    command = [str(installed / "charseq"), *asked]
    answered = subprocess.run(
        command, cwd=tmp_path, input="question\n1+2\n", capture_output=True, text=True, timeout=120, check=False
    )
    assert answered.returncode == 0, answered.stderr
    assert len(answered.stdout.splitlines()) == 2
