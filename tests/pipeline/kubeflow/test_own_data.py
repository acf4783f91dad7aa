"""A user's own pairs in the volume: compiled in the tools' pod, run step by step with the run's settings."""

import itertools

import pytest

from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.launcher import Cluster
from tests.pipeline.kubeflow.pod import run_in_pod, why_not_confined

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(bool(why_not_confined()), reason=why_not_confined() or "-"),
]

SETTINGS = "data.files=/charseq/pairs.tsv data.test_fraction=0.3 gate.exact_match=0.01"


class Tools:
    """The tools' pod (k8s/tools): the image with the volume and a /tmp of its own."""

    def __init__(self, folder, volume):
        self._folder = folder
        (folder / "tmp").mkdir(parents=True)
        (folder / "tmp").chmod(0o777)
        self._mounts = {"/charseq": volume, "/tmp": folder / "tmp"}

    def write(self, path, text):
        (self._mounts["/tmp"] / path.removeprefix("/tmp/")).write_text(text)

    def charseq(self, *arguments):
        command = ["python", "-c", "from pipeline.cli import main; main()", *arguments]
        completed = run_in_pod(command, self._folder, self._mounts)
        assert completed.returncode == 0, completed.stdout
        return completed.stdout


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    words = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=3)]
    (folder / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words))
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, volume):
    return Cluster(tmp_path_factory.mktemp("cluster"), claims={"charseq": volume}, restricted=True)


@pytest.fixture(scope="module")
def tools(tmp_path_factory, volume, cluster):
    return Tools(tmp_path_factory.mktemp("tools"), volume)


def test_from_a_users_own_task_file_to_a_pushed_model_of_its_name(cluster, tools, volume):
    # In the tools' own /tmp: no step sees it.
    task = ['name = "backwards"', 'family = "pairs"', "[data]", 'files = ["/charseq/pairs.tsv"]']
    tools.write("/tmp/backwards.toml", "\n".join(task))
    tools.charseq("kubeflow", "compile", "-o", "/charseq/backwards.yaml", "/tmp/backwards.toml")
    accepted = accept((volume / "backwards.yaml").read_text())
    assert accepted.spec.pipeline_info.name == "backwards"
    run = cluster.run(accepted, {"settings": SETTINGS}, pipeline_root="gs://bucket/charseq")
    assert set(run.seconds) == set(accepted.tasks)
    version = run.outputs["pusher"]["pushed_model"].metadata["pushed_version"]
    assert (volume / "serving" / "backwards" / version / "saved_model.pb").exists()
    assert all(a.uri.startswith("gs://bucket/charseq/backwards/") for o in run.outputs.values() for a in o.values())
    told = tools.charseq("models", "--serving-dir", "/charseq/serving")
    assert "backwards" in told
    assert version in told
