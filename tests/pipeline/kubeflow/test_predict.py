"""A batch prediction as a run of Kubeflow: compiled, accepted, and run in a pod as the cluster makes it."""

import csv

import pytest
from click.testing import CliRunner

from pipeline.cli.kubeflow import kubeflow
from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.launcher import Cluster, StepFailedError
from tests.pipeline.kubeflow.pod import CHECKOUT, why_not_confined

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """The volume with two models and a table for each."""
    from tests.serving.saved_models import save_adder, save_forecaster

    folder = tmp_path_factory.mktemp("place") / "a volume"
    save_adder(folder / "serving" / "sums" / "1")
    save_forecaster(folder / "serving" / "milk" / "1")
    (folder / "sums.csv").write_text("sum\n" + "".join(f"{n}+1\n" for n in range(1_500)))
    (folder / "bad.csv").write_text("sum\n1+2\nx\n")
    days = "".join(f"2024-01-{day:02d},{day}\n" for day in range(1, 9))
    (folder / "milk.csv").write_text(f"day,pounds\n{days}")
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, volume):
    return Cluster(tmp_path_factory.mktemp("cluster"), claims={"charseq": volume}, restricted=True)


@pytest.fixture
def compiled(tmp_path, volume):
    """Compiles a batch prediction; returns what the backend takes."""
    root = str(volume) if why_not_confined() else "/charseq"
    bare = [f"kubeflow.mount={root}", f"kubeflow.app_dir={CHECKOUT}"] if why_not_confined() else []

    def run(model, source, target, *options, settings=("kubeflow.retries=0",)):
        path = tmp_path / "predict.yaml"
        sets = [part for setting in (*settings, *bare) for part in ("--set", setting)]
        paths = ["--input", f"{root}/{source}", "--output", f"{root}/{target}"]
        result = CliRunner().invoke(kubeflow, ["predict", "-o", str(path), model, *paths, *sets, "--", *options])
        assert result.exit_code == 0, result.output
        return accept(path.read_text()), root

    return run


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_answers_every_row_with_the_model_of_the_volume(compiled, cluster, volume):
    accepted, _ = compiled("sums", "sums.csv", "answers.csv", "--column", "sum", "--with-version")
    assert accepted.spec.pipeline_info.name == "predict-sums"
    run = cluster.run(accepted)
    rows = read(volume / "answers.csv")
    assert [row["text"] for row in rows] == [str(n + 1) for n in range(1_500)]
    assert {row["version"] for row in rows} == {"1"}
    assert run.pods["predict"]["limits"] == {"cpu": "1", "memory": "4Gi"}
    assert cluster.run(accepted).cached == []  # the same paths, but perhaps other rows


def test_a_run_may_name_another_table(compiled, cluster, volume):
    accepted, root = compiled("milk", "no.csv", "no-answers.csv")
    cluster.run(accepted, {"input": f"{root}/milk.csv", "output": f"{root}/forecasts.csv"})
    assert [row["forecast"] for row in read(volume / "forecasts.csv")] == ["8.0"] * 3
    assert not (volume / "no-answers.csv").exists()


def test_a_bad_row_fails_the_step_and_says_which_one(compiled, cluster, volume):
    accepted, _ = compiled("sums", "bad.csv", "bad-answers.csv", "--column", "sum")
    with pytest.raises(StepFailedError, match=r"bad.csv, line 3: "):
        cluster.run(accepted)
    assert not (volume / "bad-answers.csv").exists()
    accepted, _ = compiled("sums", "bad.csv", "bad-answers.csv", "--column", "sum", "--on-error", "mark")
    cluster.run(accepted)
    assert [bool(row["error"]) for row in read(volume / "bad-answers.csv")] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--input", "names.csv", "--output", "/charseq/a.csv"], "a step sees the volume and buckets"),
        (["--input", "-", "--output", "/charseq/a.csv"], "name files"),
        (["--input", "/a.csv", "--output", "/b.csv", "--", "--colum", "x"], "--colum"),
        (["--input", "/a.csv", "--output", "/b.csv", "--", "--server", "x:1"], "leave out server"),
        (["--input", "/a.csv", "--output", "/b.csv", "--set", "kubeflow.image=a:latest"], "a tag that never moves"),
    ],
)
def test_what_no_step_can_do_is_refused_when_it_is_compiled(tmp_path, arguments, said):
    from pipeline.cli import main

    path = tmp_path / "predict.yaml"
    result = CliRunner().invoke(main, ["kubeflow", "predict", "-o", str(path), "sums", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert not path.exists()
