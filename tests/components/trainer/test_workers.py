"""Training on several workers: processes on this machine, as a TFJob starts them on several."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.example_gen.splits import TRAIN_SPLIT, VALIDATION_SPLIT
from components.settings import to_values
from components.trainer.fixed_length.settings import AttentionSettings
from serving.free_port import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_800)]

EPOCHS = 15

# A constant learning rate and plain Adam: rounding, which differs between one process and two, grows little in so few steps.
SETTINGS = AttentionSettings(
    units=32,
    warmup=0.0,
    weight_decay=0.0,
    beta_2=0.999,
    clip_norm=0.0,
    validate_every=1,
    epochs=EPOCHS,
    checkpoint_seconds=0.0,
    histograms=False,
)


@pytest.fixture(scope="module")
def transformed(transform_output, sums_arrays, tmp_path_factory):
    """Transform's outputs for sums of one digit: examples and graph."""
    folder = tmp_path_factory.mktemp("transformed")
    for split in (TRAIN_SPLIT, VALIDATION_SPLIT):
        (folder / f"Split-{split}").mkdir()
        path, options = folder / f"Split-{split}" / "examples.gz", tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(str(path), options) as writer:
            for row in zip(sums_arrays.tokens, sums_arrays.targets, strict=True):
                example = tf.train.Example()
                for name, values in zip(("tokens", "targets"), row, strict=True):
                    example.features.feature[name].int64_list.value.extend(values.tolist())
                writer.write(example.SerializeToString())
    return folder, transform_output._transform_output_dir


def start(transformed, folder, settings, index, ports, **more):
    examples, graph = transformed
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = {"train": to_values(settings), "checkpoint_root": str(folder / "checkpoints"), **more}
    command = [
        sys.executable,
        "-m",
        "components.trainer.worker",
        f"--run_fn={settings.TRAINER}.run_fn",
        f"--examples={examples}",
        f"--transform_graph={graph}",
    ]
    command += [f"--custom_config={json.dumps(config)}", f"--output={folder / 'output'}"]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    if len(ports) > 1:
        environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    folder.mkdir(exist_ok=True)
    log = (folder / f"worker-{index}.log").open("a")
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def finish(folder, processes):
    for index, process in enumerate(processes):
        assert process.wait(900) == 0, (folder / f"worker-{index}.log").read_text()[-3000:]
    run = folder / "output" / "model_run"
    model = keras.models.load_model(run / "model.keras")
    return json.loads((run / "history.json").read_text())["epochs"], model.get_weights()


def run(transformed, folder, workers, settings=SETTINGS, **more):
    ports = [free_port() for _ in range(workers)]
    return finish(folder, [start(transformed, folder, settings, index, ports, **more) for index in range(workers)])


@pytest.fixture(scope="module")
def alone(transformed, tmp_path_factory):
    return run(transformed, tmp_path_factory.mktemp("alone") / "run", 1)


def assert_same(result, expected):
    history, weights = result
    expected_history, expected_weights = expected
    assert len(history) == len(expected_history)
    for logs, expected_logs in zip(history, expected_history, strict=True):
        assert logs == pytest.approx(expected_logs, abs=2e-3)
    for array, expected_array in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(array, expected_array, atol=2e-3)


@pytest.mark.slow
def test_two_workers_train_the_model_of_one_process(transformed, alone, tmp_path):
    assert_same(run(transformed, tmp_path / "run", 2), alone)
    written = {path.name for path in (tmp_path / "run" / "output").iterdir()}
    assert written == {"Format-Serving", "model_run"}
    assert (tmp_path / "run" / "output" / "Format-Serving" / "saved_model.pb").exists()
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


@pytest.mark.slow
def test_a_worker_that_is_killed_and_comes_back_changes_nothing(transformed, alone, tmp_path):
    folder = tmp_path / "run"
    ports = [free_port() for _ in range(2)]
    processes = [start(transformed, folder, SETTINGS, index, ports) for index in range(2)]
    deadline = time.monotonic() + 600
    while not list(folder.glob("checkpoints/*/checkpoint.npz")):
        assert time.monotonic() < deadline, (folder / "worker-0.log").read_text()[-3000:]
        time.sleep(0.01)
    processes[1].send_signal(signal.SIGKILL)
    processes[1].wait()
    # Worker 0 cannot go on alone. It ends by itself, or (gone on too far to notice) is ended as Kubernetes would.
    try:
        status = processes[0].wait(120)
    except subprocess.TimeoutExpired:
        processes[0].kill()
        status = processes[0].wait()
    assert status != 0
    assert not (folder / "output").exists() or not (folder / "output" / "Format-Serving").exists()
    result = finish(folder, [start(transformed, folder, SETTINGS, index, ports) for index in range(2)])
    assert "going on from the checkpoint after epoch" in (folder / "worker-0.log").read_text()
    assert_same(result, alone)
