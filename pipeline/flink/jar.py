"""The jar with Flink and Beam's job server, built once by Maven from Maven Central."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from data.download import cache_folder

_POM = Path(__file__).with_name("pom.xml")

_NAME = "beam-flink.jar"


class FlinkError(RuntimeError):
    """The cluster cannot be started, or has ended; the message says why and what to do."""

    kind = "flink"
    meaning = "A Flink cluster cannot be started, or has ended."
    remedy = "Install what the message names, or look at the log that it names."


def require_programs() -> None:
    """Checks that Java and Maven are here.

    Raises:
      FlinkError: They are not.
    """
    missing = [name for name in ("java", "mvn") if not shutil.which(name)]
    if missing:
        raise FlinkError(
            f"Flink needs {' and '.join(missing)} on the PATH: install Java 11 or 17 and Maven (Debian: apt install "
            "openjdk-17-jre-headless maven)"
        )


def flink_jar() -> Path:
    """Returns the jar, from the user's cache folder if it has been built before.

    Raises:
      FlinkError: It cannot be built.
    """
    require_programs()
    pom = _POM.read_bytes()
    jar = Path(cache_folder(), f"flink-{hashlib.sha256(pom).hexdigest()[:12]}", _NAME)
    if jar.exists():
        return jar
    jar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar.parent) as folder:
        Path(folder, "pom.xml").write_bytes(pom)
        command = ["mvn", "--batch-mode", "--no-transfer-progress", "package"]
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if built.returncode:
            errors = [line for line in built.stdout.splitlines() if line.startswith("[ERROR]")]
            raise FlinkError(f"Maven could not build {_POM}: {(errors or ['no reason given'])[0]}")
        os.replace(Path(folder, "target", _NAME), jar)
    return jar
