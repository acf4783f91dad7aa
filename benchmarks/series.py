"""Forecasts of our network beside those of statsforecast (AutoETS, AutoARIMA, SeasonalNaive): errors and seconds."""

import dataclasses
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.measuring.figures import Figure
from benchmarks.peers.processes import peer_python, peer_version
from components.example_gen.splits import TEST, TRAIN, VALIDATION
from components.series.planning import plan_series
from components.series.scaling import scale_windows
from components.series.settings import SeriesData, SeriesSettings
from components.series.training import WindowArrays, train
from components.series.windows import cut_windows, naive_scale
from data.series.reading import Series

_SUBJECT = "series"
_SCRIPT = Path(__file__).with_name("peers") / "statsforecast_peer.py"
_START = np.datetime64("2010-01-01", "s")


class Scores(NamedTuple):
    """How good some forecasts are.

    Attributes:
      mase: Mean absolute scaled error.
      error: Mean absolute error.
      coverage: Share of the values in the 80% interval.
      seconds: What they took.
    """

    mase: float
    error: float
    coverage: float
    seconds: float


def measure(seeds: int, count: int) -> list[Figure]:
    """Measures errors and seconds on `milk` and on made series.

    Args:
      seeds: Trainings of ours, of which the median counts.
      count: Made series; 0 leaves them out.
    """
    milk = plan_series(SeriesData(files=("milk",)))
    figures = _compare("milk", milk.series, milk.data, seeds)
    if count:
        series = make_benchmark_series(count)
        # One forecast of each: AutoARIMA takes a second or two for every one.
        data = dataclasses.replace(milk.data, test_length=milk.data.horizon)
        figures += _compare(f"{count} made series", series, data, 1)
    return figures


def make_benchmark_series(count: int, length: int = 144, season: int = 12, seed: int = 2_024) -> tuple[Series, ...]:
    """Returns monthly series with trend, season and noise.

    They are not drawn as the made windows of the training are: the trend is a straight line with up to two bends, the season
    is a value for each month, multiplied with the level or added to it, and the noise is normal.
    """
    random = np.random.default_rng(seed)
    steps = np.arange(length)
    made = []
    for number in range(count):
        slope = np.full(length, random.normal(0, 0.3))
        for bend in random.integers(length // 4, length, random.integers(0, 3)):
            slope[bend:] = random.normal(0, 0.3)
        level = 100 + np.cumsum(slope)
        pattern = random.normal(size=season) * random.uniform(2, 15)
        noise = random.normal(size=length) * random.uniform(1, 8)
        add = pattern[steps % season]
        values = level * (1 + add / 100) + noise if number % 2 else level + add + noise
        made.append(Series(f"made {number}", _START, values, np.zeros(length, bool)))
    return tuple(made)


def _compare(subject: str, series: tuple[Series, ...], data: SeriesData, seeds: int) -> list[Figure]:
    ours = [_ours(series, data, seed) for seed in range(1, seeds + 1)]
    median = Scores(*(statistics.median(scores[part] for scores in ours) for part in range(len(Scores._fields))))
    spread = (
        f"; from {min(s.error for s in ours):.2f} to {max(s.error for s in ours):.2f} of {seeds} seeds"
        if seeds > 1
        else ""
    )
    figures = [_figure(f"{subject}: ours", median, spread)]
    python = peer_python(_SUBJECT)
    if python is None:
        return [*figures, Figure(f"{subject}: statsforecast", None, "", note="not installed: make peers")]
    version = peer_version(python, "statsforecast")
    return figures + [
        _figure(f"{subject}: {name} (statsforecast {version})", scores, "")
        for name, scores in _peers(python, series, data).items()
    ]


def _figure(name: str, scores: Scores, spread: str) -> Figure:
    note = f"mean absolute error {scores.error:.2f}{spread}; {scores.coverage:.0%} in the 80% interval; {scores.seconds:.1f} s"
    return Figure(name, scores.mase, "MASE", note=note)


def _ours(series: tuple[Series, ...], data: SeriesData, seed: int) -> Scores:
    settings = SeriesSettings(seed=seed)
    windows = [_windows(one, data) for one in series]
    histories, targets, sides, scales = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    began = time.perf_counter()
    scaled = scale_windows(tf.constant(histories), data.season, data.horizon, settings.seasonal)
    inputs, base, unit = (part.numpy() for part in scaled)
    scaled_targets = (targets - base) / unit
    learned, validation = (
        WindowArrays(inputs[sides == side], scaled_targets[sides == side]) for side in (TRAIN, VALIDATION)
    )
    with tempfile.TemporaryDirectory() as folder:
        model = train(settings, learned, validation, data.season, folder).model
    test = sides == TEST
    quantiles = model(inputs[test]).numpy().mean(axis=1) * unit[test][..., np.newaxis] + base[test][..., np.newaxis]
    seconds = time.perf_counter() - began
    lower, forecast, upper = (quantiles[..., part] for part in range(3))
    return _score(targets[test], forecast, lower, upper, scales[test], seconds)


def _windows(series: Series, data: SeriesData) -> tuple[npt.NDArray[Any], ...]:
    cut = cut_windows(series, data)
    values = series.values.astype(np.float32)
    histories = values[cut.origins[:, np.newaxis] + np.arange(-data.context, 0)]
    targets = values[cut.origins[:, np.newaxis] + np.arange(data.horizon)]
    return histories, targets, cut.sides, np.full(len(cut.origins), naive_scale(series, data))


def _peers(python: Path, series: tuple[Series, ...], data: SeriesData) -> dict[str, Scores]:
    cuts = [cut_windows(one, data) for one in series]
    origins = [cut.origins[cut.sides == TEST] for cut in cuts]
    asked = {
        "series": [one.values.tolist() for one in series],
        "origins": [known.tolist() for known in origins],
        "horizon": data.horizon,
        "season": data.season,
        "interval": 80,
    }
    answer = subprocess.run(
        [str(python), str(_SCRIPT)], input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True
    )
    targets = [
        one.values[origin : origin + data.horizon]
        for one, known in zip(series, origins, strict=True)
        for origin in known
    ]
    scales = [naive_scale(one, data) for one, known in zip(series, origins, strict=True) for _ in known]
    found = {}
    for name, result in json.loads(answer.stdout).items():
        forecasts = [forecast for one in result["forecasts"] for forecast in one]
        median, lower, upper = (
            np.array([forecast[part] for forecast in forecasts]) for part in ("forecast", "lower", "upper")
        )
        found[name] = _score(np.array(targets), median, lower, upper, np.array(scales), result["seconds"])
    return found


def _score(
    targets: npt.NDArray[Any],
    forecast: npt.NDArray[Any],
    lower: npt.NDArray[Any],
    upper: npt.NDArray[Any],
    scales: npt.NDArray[Any],
    seconds: float,
) -> Scores:
    errors = np.abs(forecast - targets).mean(axis=1)
    covered = (targets >= lower) & (targets <= upper)
    return Scores(float((errors / scales).mean()), float(errors.mean()), float(covered.mean()), seconds)
