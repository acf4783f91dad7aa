"""charseq from Python: the example of docs/python.md, twice in one process, and what it must leave alone."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "python.md"

TWICE = """
import os, signal, sys
from pathlib import Path
handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
arguments = list(sys.argv)
example = compile(Path("example.py").read_text(), "example.py", "exec")
for _ in range(2):
    names = {}
    exec(example, names)
    print("run", names["result"].pushed_version, len(names["answer"].strings("text")))
assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
assert arguments == sys.argv
"""


@pytest.mark.slow
@pytest.mark.e2e
def test_the_example_of_the_documentation_runs_twice_in_one_process_and_is_quiet(tmp_path):
    example = re.search(r"## Example.*?```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    (tmp_path / "example.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-c", TWICE, "--flag=that-nobody-knows"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("True ", "False "))] == ["True", "True"]
    pushed = [line.split()[1:] for line in lines if line.startswith("run ")]
    assert int(pushed[0][0]) < int(pushed[1][0])
    assert [count for _, count in pushed] == ["2", "2"]
    assert {line.split()[0] for line in lines if " sums blessed " in line} == {"1", "2"}
    # What TensorFlow's libraries write while they are loaded, before they heed any setting.
    notes = re.compile(r"WARNING: All log messages before absl|[IW]0000 ")
    assert [line for line in done.stderr.splitlines() if line and not notes.match(line)] == []


@pytest.mark.e2e
def test_the_names_are_imported_when_they_are_used():
    code = (
        "import sys, pipeline; from pipeline import load_model, load_task, run, open_runs; load_task('sums');"
        "print({'tensorflow', 'tfx', 'apache_beam', 'ml_metadata'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_wrong_name_or_setting_is_said_before_anything_runs():
    import pipeline
    from components.settings import SettingsError

    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        pipeline.runn  # noqa: B018
    with pytest.raises(SettingsError, match="epoch"):
        pipeline.run("sums", ["train.epoch=2"])
    with pytest.raises(ValueError, match="load_task"):
        pipeline.run(pipeline.load_task("sums"), ["train.epochs=2"])


def test_a_model_is_loaded_from_its_folder_and_answers_as_one_asks(tmp_path):
    from charseq_client import PredictionError
    from pipeline import load_model
    from tests.serving.saved_models import save_adder, save_forecaster, save_shout, save_writer

    with pytest.raises(PredictionError, match="there is no such folder"):
        load_model(tmp_path / "nothing")
    for version in (3, 12):
        save_shout(tmp_path / "shout" / str(version), version)
    with load_model(tmp_path / "shout") as newest, load_model(tmp_path / "shout", version=3) as older:
        assert newest.predict(["ab"]).strings("text") == ["12:ab:AB"]
        assert (newest.name, newest.version) == ("shout", 12)
        assert older.predict(["ab"]).strings("text") == ["3:ab:AB"]
        with pytest.raises(PredictionError, match="not one this model knows"):
            newest.predict(["a!"])
        with pytest.raises(ValueError, match="a list of texts"):
            newest.predict("ab")
        with pytest.raises(ValueError, match="no signature 'score'; it has same, serving_default, slow"):
            newest.predict(["ab"], signature="score")
    (tmp_path / "models.config").write_text(
        f'model_config_list {{ config {{ name: "shout" base_path: "{tmp_path}/shout" model_platform: "tensorflow" '
        'model_version_policy { specific { versions: 3 versions: 12 } } version_labels { key: "stable" value: 3 } } }'
    )
    with load_model(tmp_path / "shout") as stable:
        assert stable.version == 3
    with load_model(save_writer(tmp_path / "text" / "1")) as writer:
        assert writer.predict(["", "ab"], length=[3, 2]).strings("text") == ["abc", "cd"]
    with load_model(save_forecaster(tmp_path / "milk" / "1")) as forecaster:
        forecast = forecaster.predict({"history": [[1, 2, 3, 4, 5.5]]}).outputs
        assert (forecast["forecast"].tolist(), forecast["upper"].tolist()) == ([[5.5] * 3], [[7.5] * 3])
        for history in ([[1, 2, 3, 4]], np.arange(1, 5)[np.newaxis], np.array([[1.0, 2, 3, 4]])):
            assert forecaster.predict({"history": history}).outputs["forecast"].tolist() == [[4] * 3]
        with pytest.raises(PredictionError, match="this model reads 4"):
            forecaster.predict({"history": [[1, 2]]})
    with load_model(save_adder(tmp_path / "adder")) as adder:
        scored = adder.predict({"text": ["1+2"], "target": ["3"]}, signature="score")
        assert scored.outputs["characters"].tolist() == [1]
        assert (adder.name, adder.version) == ("adder", 0)
        with pytest.raises(ValueError, match="its inputs are target, text"):
            adder.predict(["1+2"], signature="score")
