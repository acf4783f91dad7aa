"""Nothing that the gate judges by is seen by any choice: not by training, nor by what stops it, keeps an epoch or tunes it."""

import hashlib
import itertools
import json

import pytest

from components import names
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task
from pipeline.create_pipeline import create_pipeline
from pipeline.places import Places
from serving.contract.layout import WEIGHTS_PATH
from tests.pipeline.tiny import write_tiny_task


@pytest.mark.parametrize("task", ["sums", "text", "milk", "dates", "pairs"])
def test_the_test_split_goes_to_the_evaluator_alone(task, tmp_path):
    (tmp_path / "pairs.tsv").write_text("a\tb\n")
    data = [f"data.files={tmp_path / 'pairs.tsv'}"] if task == "pairs" else []
    config = override(load_task(task, data), ["tune.trials=1"])
    components = {component.id: component for component in create_pipeline(config, Places(str(tmp_path))).components}
    for name in (names.TRAINER, names.TUNER):
        properties = components[name].exec_properties
        assert json.loads(properties["train_args"]) == {"splits": ["train"]}
        assert json.loads(properties["eval_args"]) == {"splits": ["validation"]}
    assert json.loads(components[names.EVALUATOR].exec_properties["example_splits"]) == ["test"]
    # Where nothing else is said TFX's Transform analyses `train`.
    assert components[names.TRANSFORM].exec_properties["splits_config"] is None


@pytest.mark.e2e
@pytest.mark.slow
def test_other_test_rows_give_the_same_model(charseq, tmp_path):
    words = ["".join(letters) for letters in itertools.product("hij", repeat=4)]
    # With longer rows, and characters that training does not have.
    tests = {"one": [(word, word) for word in words], "other": [(word * 3, f"{word}ñ" * 9) for word in words[:50]]}
    found = {}
    for name, rows in tests.items():
        (tmp_path / name).mkdir()
        task_file = write_tiny_task(tmp_path / name)
        test_file = tmp_path / name / "test.tsv"
        test_file.write_text("".join(f"{first}\t{second}\n" for first, second in rows))
        settings = ("--set", f"data.test_files={test_file}", "--set", "data.unknown=replace")
        result = charseq("run", task_file, "--json", "--root", tmp_path / name / "root", *settings)
        assert result.status == 0, result.stderr
        (weights,) = (tmp_path / name / "root" / "serving").rglob(WEIGHTS_PATH)
        found[name] = hashlib.sha256(weights.read_bytes()).hexdigest(), result.json["metrics"]
    assert found["one"][0] == found["other"][0]
    assert (found["one"][1]["examples"], found["other"][1]["examples"]) == (81, 50)
