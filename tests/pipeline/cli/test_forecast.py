"""Forecasts of whole tables: `charseq forecast`, and `charseq predict` about rows of histories. The model is tiny."""

import csv
import io
import json
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli.forecast import forecast
from pipeline.cli.predict import predict
from tests.pipeline.conftest import CHARSEQ

pytestmark = pytest.mark.e2e

# The model forecasts the last value three times, one less and two more, of four values or more.
STEPS = [f"{name}_{step}" for step in (1, 2, 3) for name in ("forecast", "lower", "upper")]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from tests.serving.saved_models import save_adder, save_forecaster

    folder = tmp_path_factory.mktemp("models")
    save_forecaster(folder / "milk" / "1")
    save_adder(folder / "sums" / "1")
    return folder


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Runs a command in this process, where TensorFlow's libraries and Beam are loaded once."""
    monkeypatch.chdir(tmp_path)

    def run(command, *arguments, **extra):
        return CliRunner().invoke(command, [*map(str, arguments)], **extra)

    return run


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def write_series(path, series):
    """Writes series by name as a table with a row for each time."""
    lines = ["day,shop,sales"]
    for name, values in series.items():
        lines += [f"2024-01-{day:02d},{name},{value}" for day, value in enumerate(values, start=1)]
    path.write_text("\n".join(lines) + "\n")
    return path


HISTORIES = [[1, 2, 3, 4.5], [0, 1, 2, 3, 4, -5], [1e6, 2e6, 3e6, 4e6]]


def write_histories(folder, ending):
    """Writes histories as a row each; returns the file and what stands behind --column."""
    path = folder / f"histories.{ending.removeprefix('wide.')}"
    if ending == "jsonl":
        path.write_text(
            "".join(f'{{"id": {row}, "history": {json.dumps(one)}}}\n' for row, one in enumerate(HISTORIES))
        )
    elif ending == "parquet":
        pq.write_table(pa.table({"id": range(3), "history": pa.array(HISTORIES, pa.list_(pa.float64()))}), path)
    elif ending == "wide.csv":
        cells = [[*map(str, one), *[""] * (6 - len(one))] for one in HISTORIES]
        path.write_text("id,v1,v2,v3,v4,v5,v6\n" + "".join(f"{row},{','.join(one)}\n" for row, one in enumerate(cells)))
        return path, "v1..v6"
    else:
        path.write_text(
            "id,history\n" + "".join(f"{row},{' '.join(map(str, one))}\n" for row, one in enumerate(HISTORIES))
        )
    return path, "history"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "wide.csv"])
def test_rows_of_histories_get_a_column_for_each_step(ask, models, server, tmp_path, ending):
    path, column = write_histories(tmp_path, ending)
    shared = ("--input", path, "--column", column, "--keep", "id", "--with-version")
    here = ask(predict, *shared, "--model-dir", models / "milk")
    assert here.exit_code == 0, here.stderr
    there = ask(predict, *shared, "--server", server, "--model", "milk")
    assert there.stdout == here.stdout
    rows = read_csv(here.stdout)
    assert [name for name in rows[0] if "_" in name] == STEPS
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert [float(row["forecast_3"]) for row in rows] == [4.5, -5, 4e6]
    assert [float(row["lower_1"]) for row in rows] == [3.5, -6, 4e6 - 1]
    assert {row["version"] for row in rows} == {"1"}


def test_histories_that_cannot_be_used_are_named(ask, models, tmp_path):
    path = tmp_path / "histories.csv"
    path.write_text("history\n1 2 3 4\n1 2 3\n1 2 nan 4\n1 2 3 x\n4 3 2 1\n")
    shared = ("--input", path, "--column", "history", "--model-dir", models / "milk")
    stopped = ask(predict, *shared)
    assert stopped.exit_code == 2
    assert f"{path}, line 3: column 'history': the history has 3 values, and this model reads 4" in stopped.stderr
    rows = read_csv(ask(predict, *shared, "--on-error", "mark").stdout)
    assert [row["forecast_1"] for row in rows] == ["4.0", "", "", "", "1.0"]
    assert "value 3 of the history is missing" in rows[2]["error"]
    assert "'x' is no finite number" in rows[3]["error"]


def test_a_beam_job_reads_histories_too(ask, models, tmp_path):
    path, column = write_histories(tmp_path, "wide.csv")
    shared = ("--input", path, "--column", column, "--model-dir", models / "milk")
    assert ask(predict, *shared, "--output", tmp_path / "here.csv").exit_code == 0
    job = ask(predict, *shared, "--output", tmp_path / "beam.csv", "--set", "beam.workers=1")
    assert job.exit_code == 0, job.stderr
    assert (tmp_path / "beam.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_a_table_of_series_has_one_answer_whichever_command_reads_it(ask, models, server, tmp_path):
    table = write_series(tmp_path / "sales.csv", {"Oslo": [1, 2, 3, 4, 5], "Rom": [9, 8, 7, 6], "Ærø": [5] * 6})
    here = ("--model-dir", models / "milk")
    written = ask(forecast, table, *here, "--output", tmp_path / "a.csv")
    assert written.exit_code == 0, written.stderr
    predicted = ask(predict, "--input", table, *here)
    assert predicted.exit_code == 0, predicted.stderr
    served = ask(forecast, table, "--server", server, "--model", "milk", "--output", tmp_path / "b.csv")
    assert served.exit_code == 0, served.stderr
    assert predicted.stdout == (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    rows = read_csv(predicted.stdout)
    assert [row["series"] for row in rows] == ["Oslo"] * 3 + ["Rom"] * 3 + ["Ærø"] * 3
    assert [row["time"] for row in rows[3:6]] == ["2024-01-05", "2024-01-06", "2024-01-07"]
    assert [(row["forecast"], row["lower"], row["upper"]) for row in rows[3:4]] == [("6.0", "5.0", "8.0")]
    assert sorted(path.name for path in tmp_path.glob("[ab].csv*")) == ["a.csv", "b.csv"]


def test_series_that_cannot_be_forecast_are_skipped_or_marked(ask, models, tmp_path):
    table = write_series(tmp_path / "sales.csv", {"short": [1, 2], "good": [1, 2, "x", 4, 5], "gap": [1, 2, 3, 4]})
    with table.open("a") as file:
        file.write("2024-03-01,gap,9\n")
        file.write("2024-01-01,twice,1\n2024-01-01,twice,2\n")
    where = ("--model-dir", models / "milk")
    stopped = ask(forecast, table, *where)
    assert stopped.exit_code == 2
    assert "line 6, column value: 'x' is no finite number" in stopped.stderr
    assert "--value" in stopped.stderr
    assert "--set" not in stopped.stderr
    result = ask(forecast, table, *where, "--on-error", "mark", "--with-version", "--output", "marked.csv", "--json")
    assert result.exit_code == 0, result.stderr
    rows = read_csv((tmp_path / "marked.csv").read_text())
    assert [(row["series"], bool(row["error"])) for row in rows] == [
        ("short", True),
        *[("good", False)] * 3,
        ("gap", True),
        ("twice", True),
    ]
    errors = [row["error"] for row in rows if row["error"]]
    assert f"{table}, line 2: series 'short' has 2 values, and this model reads 4" in errors[0]
    assert "line 9: series 'gap': there is no value for" in errors[1]
    assert "(--longest-gap)" in errors[1]
    assert "'2024-01-01' has the value 2 here and 1 in line 14" in errors[2]
    assert "line 6: column value: 'x' is no finite number" in result.stderr
    assert "1 step without a value was filled" in result.stderr
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["bad"], summary["version"]) == (4, 3, 1)
    assert [one["series"] for one in summary["forecasts"]] == ["good"]
    skipped = ask(forecast, table, *where, "--on-error", "skip", "--output", "skipped.csv")
    assert skipped.exit_code == 0
    assert {row["series"] for row in read_csv((tmp_path / "skipped.csv").read_text())} == {"good"}


def test_standard_input_is_a_table_of_any_format(ask, models):
    lines = "".join(f'{{"ds": "2024-01-{day:02d}", "y": {day}}}\n' for day in range(1, 8))
    result = ask(forecast, "-", "--model-dir", models / "milk", "--json", input=lines)
    assert result.exit_code == 0, result.stderr
    (found,) = json.loads(result.stdout)["forecasts"]
    assert found["forecast"] == [7, 7, 7]
    wrong = ask(forecast, "-", "--model-dir", models / "milk", input="ds,y\nsoon,1\nlater,2\n")
    assert wrong.exit_code == 2
    assert "standard input" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["forecast", "--model-dir", "sums"], "does not forecast"),
        (["forecast", "--model-dir", "milk", "--output", "a.xlsx"], ".csv, .tsv, .jsonl or .parquet"),
        (["forecast", "--model-dir", "milk", "--value", "no"], "there is no column 'no'"),
        (["predict", "--model-dir", "sums"], "--column"),
        (["predict", "--model-dir", "milk", "--column", "none"], "there is no column 'none'"),
        (["predict", "--model-dir", "milk", "--length", "3"], "has no input for --length"),
        (["predict", "--model-dir", "milk", "--set", "beam.workers=1", "--output", "a.csv"], "--column"),
    ],
)
def test_what_cannot_be_done_ends_with_a_reason(ask, models, tmp_path, arguments, said):
    table = write_series(tmp_path / "sales.csv", {"a": [1, 2, 3, 4]})
    arguments = [str(models / part) if part in ("sums", "milk") else part for part in arguments]
    command, *rest = arguments
    table = [table] if command == "forecast" else ["--input", table]
    result = ask({"forecast": forecast, "predict": predict}[command], *table, *rest)
    assert result.exit_code == 2, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_killed_and_resumed_the_table_is_that_of_an_undisturbed_command(models, tmp_path):
    table = tmp_path / "many.csv"
    with table.open("w") as file:
        file.write("day,shop,sales\n")
        for shop in range(6_000):
            values = 2 if shop % 1_000 == 7 else 4
            file.writelines(f"2024-01-{day:02d},s{shop},{shop + day}\n" for day in range(1, values + 1))
    command = [CHARSEQ, "forecast", table, "--model-dir", models / "milk", "--on-error", "mark", "--output"]
    subprocess.run([*command, tmp_path / "whole.csv"], check=True, capture_output=True)
    journal = tmp_path / "killed.csv.progress"
    process = subprocess.Popen([*command, tmp_path / "killed.csv"], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 10_000):
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert journal.exists(), "the kill came too late to show anything"
    done = subprocess.run([*command, tmp_path / "killed.csv"], check=True, capture_output=True, text=True)
    assert "going on behind" in done.stderr
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not journal.exists()
    table.touch()
