"""Forecasts by statsforecast (Nixtla): AutoETS, AutoARIMA and SeasonalNaive. Run by the interpreter of the peers' environment.

Reads JSON on standard input: `series` (lists of values), `origins` (for each series the numbers of values that forecasts know),
`horizon`, `season`, `interval` (in percent). Writes JSON on standard output: for each method its `seconds` and `forecasts`,
for each series and origin the lists `forecast`, `lower` and `upper`.
"""

import json
import sys
import time
import warnings

import numpy as np
from statsforecast.models import AutoARIMA, AutoETS, SeasonalNaive


def main() -> None:
    """Fits every method again for every forecast, as the methods are meant to be used."""
    warnings.filterwarnings("ignore")
    asked = json.load(sys.stdin)
    season, level = asked["season"], asked["interval"]
    methods = {"AutoETS": AutoETS, "AutoARIMA": AutoARIMA, "SeasonalNaive": SeasonalNaive}
    # Numba compiles at the first call, once for a machine.
    warm = np.sin(np.arange(6.0 * season)) + np.random.default_rng(0).normal(size=6 * season)
    for method in methods.values():
        method(season_length=season).forecast(warm, h=asked["horizon"], level=[level])
    found = {}
    for name, method in methods.items():
        began = time.perf_counter()
        forecasts = []
        for values, origins in zip(asked["series"], asked["origins"], strict=True):
            values = np.array(values)
            made = [
                method(season_length=season).forecast(values[:origin], h=asked["horizon"], level=[level])
                for origin in origins
            ]
            forecasts.append(
                [
                    {
                        "forecast": np.asarray(one["mean"]).tolist(),
                        "lower": np.asarray(one[f"lo-{level}"]).tolist(),
                        "upper": np.asarray(one[f"hi-{level}"]).tolist(),
                    }
                    for one in made
                ]
            )
        found[name] = {"seconds": time.perf_counter() - began, "forecasts": forecasts}
        print(f"{name}: {found[name]['seconds']:.0f} s", file=sys.stderr, flush=True)
    json.dump(found, sys.stdout)


main()
