"""Made series: trends that die out, seasons that change slowly, noise of all strengths. A prior, as windows.

The idea is that of ForecastPFN (Dooley et al. 2023, https://arxiv.org/abs/2311.01933) and of the kernels that Chronos draws
from (Ansari et al. 2024): a network that has seen how series of many kinds go on needs few windows of the one that it is for.
"""

import numpy as np
import numpy.typing as npt

# Values of all windows together; of long windows there are fewer.
_MOST_VALUES = 4_000_000

_FEWEST = 64


def make_series(count: int, length: int, season: int, seed: int) -> npt.NDArray[np.float32]:
    """Returns made series: float32 [count or fewer, length]; the standard deviation of a season is about 1.

    level(t) = level(t-1) + slope(t-1) + step; the slope returns, at a rate that differs, to a steady one or to 0 (a damped
    trend, Gardner and McKenzie 1985); the season is a few harmonics and changes as a random walk; the noise is Student's t
    with 8 degrees of freedom, of some series with memory (AR 1).

    Args:
      count: How many.
      length: Values of each.
      season: Steps of a season; 1 if there is no season.
      seed: The seed of what is drawn.
    """
    count = max(_FEWEST, min(count, _MOST_VALUES // length))
    random = np.random.default_rng(seed)

    def spread(low: float, high: float) -> npt.NDArray[np.float64]:
        """Returns a size for each series, evenly spread in its logarithm: float64 [count, 1]."""
        return np.exp(random.uniform(np.log(low), np.log(high), (count, 1)))

    steady = random.normal(size=(count, 1)) * spread(0.003, 0.1)
    goal = np.where(random.random((count, 1)) < 0.5, steady, 0.0)
    kept = random.choice([0.8, 0.9, 0.95, 0.98, 1.0], (count, 1))
    level = _recursion(steady - goal, kept, random.normal(size=(count, length)) * spread(1e-4, 0.02)) + goal
    level = np.cumsum(level + random.normal(size=(count, length)) * spread(1e-3, 0.2), axis=1)
    noise = random.standard_t(8, (count, length)) * spread(0.02, 0.5)
    noise = _recursion(np.zeros((count, 1)), random.choice([0, 0, 0.3, 0.6, 0.9], (count, 1)), noise)
    made = level + noise
    if season > 1:
        made += _seasons(random, count, length, season, spread(1e-3, 0.1)) * random.choice([1, 1, 1, 0], (count, 1))
    return made.astype(np.float32)


def _recursion(
    start: npt.NDArray[np.float64], kept: npt.NDArray[np.float64], added: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns x(t) = kept * x(t-1) + added(t) from a start [count, 1]: float64 [count, length]."""
    values = np.empty_like(added)
    now = start[:, 0]
    for step in range(added.shape[1]):
        now = kept[:, 0] * now + added[:, step]
        values[:, step] = now
    return values


def _seasons(
    random: np.random.Generator, count: int, length: int, season: int, change: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns patterns that repeat with slow changes, begun at any step of theirs: float64 [count, length]."""
    harmonics = np.fft.rfft(random.normal(size=(count, season)), axis=1)
    harmonics[:, 0] = 0
    high = np.arange(harmonics.shape[1]) > random.integers(1, 5, (count, 1))
    harmonics *= np.where(high, random.choice([0, 0.1, 0.4, 1.0], (count, 1)), 1.0)
    pattern = np.fft.irfft(harmonics, season, axis=1)
    pattern /= pattern.std(axis=1, keepdims=True) + 1e-9
    seasons = length // season + 2
    walk = random.normal(size=(count, seasons, season)).cumsum(axis=1) * change[:, :, np.newaxis]
    values = (pattern[:, np.newaxis] + walk).reshape(count, -1)
    begin = random.integers(0, season, (count, 1))
    return np.take_along_axis(values, begin + np.arange(length), axis=1)
