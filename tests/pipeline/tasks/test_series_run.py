"""A user's series end to end: charseq new, run, serve, forecast; real processes, and what came out."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.config.task_files import load_task
from tests.browser import CHROMIUM
from tests.pipeline.conftest import serving
from tests.pipeline.report.pages import check_report

pytestmark = pytest.mark.e2e

SHOPS = ("Ærø", "Berlin", "北京")
QUICK = (
    *("--set", "train.units=8", "--set", "train.epochs=1", "--set", "train.steps=30"),
    *("--set", "gate.beat_floor=false", "--set", "gate.slices=series"),
)


def make_rows(count, begin="2022-01-03"):
    """Daily sales of three shops, the week's pattern on top, in no order, with a day missing."""
    random = np.random.default_rng(5)
    days = np.datetime64(begin) + np.arange(count)
    rows = []
    for number, shop in enumerate(SHOPS):
        level = 200 * (number + 1) + np.cumsum(random.normal(0, 1, count))
        sales = level + 30 * np.sin(2 * np.pi * np.arange(count) / 7) + random.normal(0, 4, count)
        rows += [f"{shop};{day};{value:.1f}" for day, value in zip(days, sales, strict=True)]
    if count > 60:
        rows.remove(next(row for row in rows if row.startswith(f"Berlin;{days[29]}")))
    return [rows[index] for index in random.permutation(len(rows))]


def write(path, rows):
    path.write_text("\n".join(["shop;date;sales", *rows]) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("series runs")


@pytest.fixture(scope="module")
def series_run(charseq, place):
    table = write(place / "sales.csv", make_rows(150))
    made = charseq("new", "sales", "--family", "series", "--data", table, "--json", cwd=place)
    assert made.status == 0, made.stderr
    said = " ".join(made.json["found"])
    for part in ("'date'", "'sales'", "'shop'", "every day", "a season of 7 steps", "1 step without a value"):
        assert part in said
    result = charseq("run", place / "sales.toml", "--json", "--root", place, *QUICK)
    assert result.status == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def server(series_run, place):
    with serving(place / "serving") as address:
        yield address


def test_the_run_says_how_good_the_forecasts_are_beside_the_naive_ones(series_run):
    metrics = series_run.json["metrics"]
    assert {"mase", "mean_absolute_error", "coverage", "floor_mase", "floor_mean_absolute_error"} <= set(metrics)
    assert metrics["examples"] == 3 * 8
    assert 0 < metrics["mase"] < 3
    assert metrics["mase_low"] <= metrics["mase"] <= metrics["mase_high"]


def test_the_report_shows_forecasts_and_what_was_repaired(series_run):
    page = Path(series_run.json["report"]).read_text(encoding="utf-8")
    for said in (
        "Forecasts of the test",
        "Errors by step",
        "the seasonal naive forecast",
        "1 step without a value was filled",
    ):
        assert said in page
    assert all(shop in page for shop in SHOPS)
    if CHROMIUM:
        check_report(series_run.json["report"], "sales")


def test_a_server_forecasts_what_follows_on_the_end_of_a_table(charseq, server, place):
    table = write(place / "later.csv", make_rows(60, "2022-06-01"))
    result = charseq("forecast", "--server", server, "--model", "sales", table, "--json", "--plot", place / "plot.png")
    assert result.status == 0, result.stderr
    assert (place / "plot.png").stat().st_size > 10_000
    forecasts = {one["series"]: one for one in result.json["forecasts"]}
    assert set(forecasts) == set(SHOPS)
    assert result.json["frequency"] == "day"
    for number, shop in enumerate(SHOPS):
        one = forecasts[shop]
        assert one["times"] == [f"2022-07-{31 + step}" if step < 1 else f"2022-08-{step:02d}" for step in range(7)]
        assert all(
            low <= middle <= high for low, middle, high in zip(one["lower"], one["forecast"], one["upper"], strict=True)
        )
        assert np.mean(one["forecast"]) == pytest.approx(200 * (number + 1), rel=0.25)


def test_a_folder_gives_the_servers_answers(charseq, server, place):
    table = write(place / "again.csv", make_rows(60, "2022-06-01"))
    folder = ("--model-dir", place / "serving" / "sales")
    here = charseq("forecast", *folder, table, "--output", place / "forecasts.csv", "--json")
    there = charseq("forecast", "--server", server, "--model", "sales", table, "--json")
    for one, other in zip(here.json["forecasts"], there.json["forecasts"], strict=True):
        np.testing.assert_allclose(one["forecast"], other["forecast"], rtol=1e-4)
    lines = (place / "forecasts.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "series,time,forecast,lower,upper"
    assert len(lines) == 1 + 3 * 7
    batch = charseq("predict", *folder, "--input", table, "--output", place / "predicted.csv")
    assert batch.status == 0, batch.stderr
    assert (place / "predicted.csv").read_bytes() == (place / "forecasts.csv").read_bytes()


@pytest.mark.slow
def test_the_tuner_a_warm_start_and_a_canary_lead_to_the_next_version(charseq, server, series_run, place):
    changes = ("tune.trials=2", "tune.trial_epochs=1", "tune.space=learning_rate=1e-3:1e-2", "train.warm_start=true")
    changes += ("gate.largest_rise=9", f"rollout.server={server}", "run.cache=true")
    more = [part for change in changes for part in ("--set", change)]
    result = charseq("run", place / "sales.toml", "--json", "--root", place, *QUICK, *more)
    assert result.status == 0, result.stderr
    assert "trial 2 of 2: val_loss" in result.stderr
    assert "warm start" in result.stderr
    assert result.json["metrics"]["baseline_mase"] == pytest.approx(series_run.json["metrics"]["mase"], rel=1e-4)
    assert result.json["rollout"]["promoted"]
    models = charseq("models", "--serving-dir", place / "serving", "--json").json
    assert str(result.json["pushed_version"]) in str(models)


def test_what_cannot_be_forecast_is_refused_by_name(charseq, server, place):
    from charseq_client import Client, PredictionError

    short = charseq("forecast", "--server", server, "--model", "sales", write(place / "short.csv", make_rows(20)))
    assert short.status == 2
    assert "has 20 values, and this model reads 28" in short.stderr
    wrong = charseq("forecast", "--server", server, "--model", "sales", write(place / "wrong.csv", ["Berlin;soon;1"]))
    assert wrong.status == 2
    assert "has times" in wrong.stderr
    with Client(server) as client:
        history = np.ones((2, 30), np.float32)
        history[1, 29] = np.nan
        with pytest.raises(PredictionError, match=r"history\[1, 29\] is nan: .* finite numbers") as refused:
            client.predict({"history": history}, model="sales")
        assert refused.value.code.name == "INVALID_ARGUMENT"
        with pytest.raises(PredictionError, match="history has 5 values: this model reads 28") as refused:
            client.predict({"history": history[:, :5]}, model="sales")
        assert refused.value.code.name == "INVALID_ARGUMENT"
        longer = client.predict({"history": np.arange(64, dtype=np.float32)[np.newaxis]}, model="sales")
        window = np.arange(36, 64, dtype=np.float32)[np.newaxis]
        shorter = client.predict({"history": window}, model="sales", signature="window")
        np.testing.assert_allclose(longer.outputs["forecast"], shorter.outputs["forecast"], rtol=1e-5)


@pytest.mark.slow
def test_another_unit_is_drift(charseq, series_run, place):
    rows = [f"{shop};{day};{float(value) * 1000}" for shop, day, value in (row.split(";") for row in make_rows(150))]
    write(place / "sales.csv", rows)
    result = charseq("run", place / "sales.toml", "--json", "--root", place, *QUICK)
    assert result.status == 1
    (reason,) = result.json["reasons"]
    assert reason.startswith("ExampleValidator failed")
    assert "history" in reason
    assert "check_drift" in reason


def test_the_window_is_settled_before_anything_runs(place, series_run):
    from pipeline.families import find_family

    config = load_task(str(place / "sales.toml"))
    settled = find_family("series").settle(config).data
    assert (settled.frequency, settled.season, settled.horizon, settled.context) == ("day", 7, 7, 28)
