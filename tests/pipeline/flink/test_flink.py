"""ExampleGen and Transform on a Flink session cluster of this machine: the bytes of the local runner."""

import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from benchmarks.flink import run_data_components
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task
from pipeline.flink.cluster import SessionCluster
from pipeline.flink.jar import FlinkError, flink_jar
from pipeline.kubeflow.compile import compile_pipeline
from pipeline.kubeflow.settings import KubeflowSettings
from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.launcher import Cluster
from tests.pipeline.kubeflow.pod import CHECKOUT

pytestmark = [pytest.mark.flink, pytest.mark.slow, pytest.mark.timeout(1800)]

CONFIGS = {
    "sums": override(
        load_task("sums"),
        ["data.count=4000", "data.largest=999", "data.test_fraction=0.2", "data.examples_per_shard=500"],
    ),
    "text": override(load_task("text"), ["data.characters_per_shard=65536"]),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two task managers, in a folder with a space in its name."""
    if missing := [name for name in ("java", "mvn") if not shutil.which(name)]:
        pytest.skip(f"Flink needs {' and '.join(missing)}")
    try:
        flink_jar()
    except FlinkError as error:
        pytest.skip(str(error))
    with SessionCluster(tmp_path_factory.mktemp("flink of") / "a test", task_managers=2) as running:
        yield running


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The digest of what the local runner writes."""
    return {name: run_data_components(c, str(tmp_path_factory.mktemp(name) / "r"))[1] for name, c in CONFIGS.items()}


def test_before_any_job_flink_and_the_pool_listen_on_loopback_alone(cluster):
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = {process.pid for process in cluster.processes() if "JobServerDriver" not in " ".join(process.args)}
    addresses = [line.split()[3] for line in listening if any(f"pid={pid}," in line for pid in ours)]
    assert len(addresses) >= 6
    assert [a for a in addresses if not a.startswith(("127.0.0.1:", "[::1]:", "[::ffff:127.0.0.1]:"))] == []


@pytest.mark.parametrize("name", CONFIGS)
def test_two_task_managers_write_the_bytes_of_the_local_runner(cluster, local, name, tmp_path):
    config = override(CONFIGS[name], cluster.settings())
    assert run_data_components(config, str(tmp_path / "root"))[1] == local[name]


def test_artifacts_may_lie_where_workers_do_not_see_them(cluster, local, tmp_path):
    config = override(CONFIGS["sums"], [*cluster.settings(), f"beam.temp_location={tmp_path / 'shared'}"])
    assert run_data_components(config, str(tmp_path / "root"))[1] == local["sums"]
    assert os.listdir(tmp_path / "shared") == []


def test_a_step_on_kubeflow_hands_its_job_to_flink_and_writes_the_bytes_of_the_local_runner(cluster, tmp_path):
    volume = tmp_path / "volume"
    # Flink's workers see the volume under the path that the step sees it under.
    place = KubeflowSettings(mount=str(volume), app_dir=str(CHECKOUT), artifact_root=".", retries=0)
    kubeflow = Cluster(tmp_path / "kubeflow", claims={"charseq": volume}, confined=False)
    small = ["data.count=4000", "data.largest=999", "data.test_fraction=0.2", "data.examples_per_shard=500"]
    written = []
    for beam in ([], [*cluster.settings(), f"beam.temp_location={volume / 'beam'}"]):
        accepted = accept(compile_pipeline("sums", [*small, *beam], place))
        run = kubeflow.run(accepted, steps=["sums-example-gen"])
        folder = kubeflow.path(run.outputs["sums-example-gen"]["examples"].uri)
        written.append({str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert len(written[0]) > 4
    assert written[1] == written[0]
    assert os.listdir(volume / "beam") == []


def test_a_job_goes_on_when_a_task_manager_is_killed_and_another_comes(cluster, tmp_path):
    settings = ["data.count=600000", "data.largest=99999", "data.examples_per_shard=50000"]
    config = override(load_task("sums"), settings)
    expected = run_data_components(config, str(tmp_path / "local"))[1]
    root = tmp_path / "root"

    def kill_when_shards_come():
        deadline = time.monotonic() + 300
        while not list(root.glob("artifacts/SumsExampleGen/examples/*/Split-train/*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.task_managers[0].send_signal(signal.SIGKILL)
        cluster.add_task_manager()

    killer = threading.Thread(target=kill_when_shards_come)
    killer.start()
    try:
        digest = run_data_components(override(config, cluster.settings()), str(root))[1]
    finally:
        killer.join()
    assert cluster.task_managers[0].wait(120) == -signal.SIGKILL
    assert digest == expected
    (examples,) = root.glob("artifacts/SumsExampleGen/examples/*")
    splits = ["Split-test", "Split-train", "Split-validation"]
    assert sorted(os.listdir(examples)) == splits, "what the killed worker began is still there"


def test_the_rows_of_a_file_are_answered_by_task_managers(cluster, tmp_path):
    from tests.serving.saved_models import save_adder

    save_adder(tmp_path / "model" / "sums" / "1")
    # Two worker's turns, and a bad row.
    rows = [f"{n},{'x' if n == 300_000 else f'{n % 97}+{n % 89}'}\n" for n in range(500_000)]
    (tmp_path / "sums.csv").write_text("note,raw\n" + "".join(rows))
    asked = [CHARSEQ, "predict", "--input", tmp_path / "sums.csv", "--column", "raw", "--on-error", "mark"]
    asked += ["--model-dir", tmp_path / "model" / "sums"]
    settings = [*cluster.settings(), f"beam.temp_location={tmp_path / 'shared'}"]
    beam = [argument for setting in settings for argument in ("--set", setting)]
    (tmp_path / "shared").mkdir()
    subprocess.run([*asked, "--output", tmp_path / "here.csv"], check=True, timeout=300)
    subprocess.run([*asked, "--output", tmp_path / "flink.csv", *beam], check=True, timeout=600)
    assert (tmp_path / "flink.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert os.listdir(tmp_path / "shared") == []
