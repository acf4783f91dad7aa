"""What the references reach, and ours beside them in the same hour: minutes of training."""

import json
import subprocess
import time

import pytest

from serving.client import Client
from serving.launch import server_command

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

PAIRS = [(a, b) for a in range(1, 100) for b in range(1, 100)]


@pytest.fixture(scope="module")
def results(charseq, place):
    return {
        task: charseq("run", task, "--json", "--root", place).json for task in ("sums", "sums-lstm", "sums-simple-rnn")
    }


@pytest.fixture(scope="module")
def client(results, place, tmp_path_factory):
    ready = tmp_path_factory.mktemp("server") / "ready.json"
    command = server_command(place / "serving", port=0, ready_file=ready, executable="builtin")
    with subprocess.Popen(command) as process:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.1)
        with Client(f"127.0.0.1:{json.loads(ready.read_text())['grpc_port']}", timeout=120) as served:
            yield served
        process.terminate()


def test_ours_is_right_on_999_of_1000_unseen_sums_in_less_time_than_the_reference_takes(results):
    ours, reference = results["sums"]["metrics"], results["sums-lstm"]["metrics"]
    assert ours["exact_match"] >= 0.999
    assert ours["examples"] >= 4_800, "so at most 5,000 of the 9,801 were trained on"
    assert ours["train_seconds"] < reference["train_seconds"]
    assert reference["epochs"] == 200


@pytest.mark.parametrize(("task", "least"), [("sums", 0.999), ("sums-lstm", 0.97), ("sums-simple-rnn", 0.90)])
def test_of_all_sums_of_1_to_99_so_many_are_right(client, task, least):
    client.wait_until_available(task)
    answers = client.predict({"text": [f"{a}+{b}" for a, b in PAIRS]}, model=task).strings("text")
    right = sum(answer == str(a + b) for answer, (a, b) in zip(answers, PAIRS, strict=True))
    print(f"{task}: {right:,} of {len(PAIRS):,}")
    assert right / len(PAIRS) >= least
