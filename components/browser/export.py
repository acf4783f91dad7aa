"""Makes the files that a browser needs: the model by TensorFlow.js's own converter, its characters, and a page."""

import json
import os
import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import tensorflow as tf

from components.browser.graph import save_numeric
from components.files import copy_folder
from components.settings import SettingsError
from serving.contract.layout import NUMERIC_PATH
from serving.page import SHARED

_TOOLS = Path(__file__).resolve().parents[2] / ".browser"

_CONVERTER = Path("venv/bin/tensorflowjs_converter")

# The operations in plain JavaScript: for models this small as fast as WebGL, and the same digits on every machine.
_SCRIPTS = (
    "tfjs-core/dist/tf-core.min.js",
    "tfjs-backend-cpu/dist/tf-backend-cpu.min.js",
    "tfjs-converter/dist/tf-converter.min.js",
)

_CONVERTER_TIMEOUT_S = 600


def find_tools(tools: str) -> Path:
    """Returns the folder with converter and TensorFlow.js.

    Args:
      tools: The folder; empty for the checkout's.

    Raises:
      SettingsError: They are not there.
    """
    folder = Path(tools) if tools else _TOOLS
    missing = [path for path in (folder / _CONVERTER, *_scripts(folder)) if not path.exists()]
    if missing:
        raise SettingsError(
            f"browser.export needs TensorFlow.js and its converter, and there is no {missing[0]}: "
            "run `make browser`, or name the folder that it filled with browser.tools"
        )
    return folder


def export(model_path: str, name: str, version: str, tools: Path, target: str) -> None:
    """Writes the files for a browser.

    Args:
      model_path: A pushed model that answers.
      name: Name of the model, for the page.
      version: Its version.
      tools: Folder of :func:`find_tools`.
      target: Folder for the files: `index.html` and what it loads, all below the folder itself.

    Raises:
      RuntimeError: The converter fails.
    """
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(temporary) / "site"
        with as_file(files("components.browser") / "page") as page:
            shutil.copytree(page, site)
        for file in SHARED:
            (site / file).write_bytes((files("serving.page") / file).read_bytes())
        save_numeric(model_path, os.path.join(temporary, "numeric"))
        _convert(tools / _CONVERTER, os.path.join(temporary, "numeric"), str(site / "model"))
        (site / "tfjs").mkdir()
        for script in _scripts(tools):
            shutil.copy(script, site / "tfjs")
        with tf.io.gfile.GFile(os.path.join(model_path, NUMERIC_PATH)) as file:
            about = {"name": name, "version": version, **json.load(file)}
        (site / "about.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")
        copy_folder(str(site), target)


def _scripts(folder: Path) -> list[Path]:
    return [folder / "node_modules" / "@tensorflow" / script for script in _SCRIPTS]


def _convert(converter: Path, model_path: str, target: str) -> None:
    command = [str(converter), "--input_format=tf_saved_model", "--output_format=tfjs_graph_model", model_path, target]
    # Its environment is its own: what this process has set for its TensorFlow and Keras is not for that one's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "PYTHON"))}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_CONVERTER_TIMEOUT_S, check=False
    )
    if done.returncode or not os.path.exists(os.path.join(target, "model.json")):
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(f"the converter of TensorFlow.js failed with status {done.returncode}: {last}")
