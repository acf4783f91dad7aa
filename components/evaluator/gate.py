"""The gate: the bounds of a rule, and what is held against each of them."""

import math
from collections.abc import Mapping, Sequence

from components.evaluator.results import Check, Floor
from components.evaluator.settings import Rule


def check(
    rule: Rule, metrics: Mapping[str, float], baseline: Mapping[str, float] | None, floors: Sequence[Floor]
) -> list[Check]:
    """Returns every bound of a rule with its verdict.

    Args:
      rule: The gate.
      metrics: The candidate's figures on all test examples.
      baseline: Those of the served version, as far as it has them; None if none is served.
      floors: What any model must beat.
    """
    name, value = rule.metric, metrics[rule.metric]
    sign = -1.0 if rule.lower_is_better else 1.0
    checks = []
    # A figure that could not be computed keeps to no bound, also where the rule has none.
    if rule.bound is not None or not math.isfinite(value):
        bound = -sign * math.inf if rule.bound is None else rule.bound
        passed = math.isfinite(value) and sign * (value - bound) >= 0
        checks.append(Check("bound", name, rule.bound_setting, bound, not rule.lower_is_better, value, passed))
    # None if none is served, or if what is served has no such figure: then there is nothing to fall behind.
    served = (baseline or {}).get(name, math.nan)
    change = value - served if math.isfinite(served) else None
    allowed = -sign * rule.largest_change
    checks.append(
        Check(
            "change",
            name,
            rule.change_setting,
            allowed,
            not rule.lower_is_better,
            change,
            None if change is None else sign * (change - allowed) >= -1e-12,  # 0.985 - 0.99 is less than -0.005
            note=_note(change, name, metrics, baseline),
        )
    )
    if rule.beat_floor:
        for floor in floors:
            bound = floor.metrics[name]
            passed = sign * (value - bound) > 0
            setting = "gate.beat_floor"
            checks.append(Check("floor", name, setting, bound, not rule.lower_is_better, value, passed, floor.name))
    return checks


def reasons(checks: Sequence[Check]) -> list[str]:
    """Returns why a model is refused, a sentence for each bound that it does not keep to."""
    return list(dict.fromkeys(_reason(check) for check in checks if check.passed is False))


def _reason(check: Check) -> str:
    what = f"{check.metric} on all test examples"
    assert check.value is not None  # noqa: S101 (nothing is refused that has no value)
    if not math.isfinite(check.value):
        return f"{what} could not be computed"
    if check.kind == "change":
        side = "below" if check.least else "above"
        note = f"; {check.note}" if check.note else ""
        return (
            f"{what} lies {abs(check.value):.4f} {side} that of the version being served; at most {abs(check.bound):.4f} is "
            f"allowed ({check.setting}){note}"
        )
    if check.kind == "floor":
        better = "above" if check.least else "below"
        return (
            f"{what} is {check.value:.4f}, and {check.note} has {check.bound:.4f}; a model must be {better} that "
            f"({check.setting})"
        )
    return f"{what} is {check.value:.4f}; at {'least' if check.least else 'most'} {check.bound:.4f} is needed ({check.setting})"


def _note(change: float | None, name: str, metrics: Mapping[str, float], baseline: Mapping[str, float] | None) -> str:
    """Returns in words whether a difference is more than the two figures' sampling noise, or why there is none.

    The two are taken as independent. Both are of the same examples, so the true noise is smaller.
    """
    if baseline is None:
        return ""
    if change is None:
        return "the version being served has no such figure"
    try:
        # The halves that face each other (Newcombe 1998, Statistics in Medicine 17, 873-890, method 10).
        low, high = sorted((metrics, baseline), key=lambda figures: figures[name])
        halves = low[f"{name}_high"] - low[name], high[name] - high[f"{name}_low"]
    except KeyError:
        return ""
    noise = math.hypot(*halves)
    return f"the difference is {'within' if abs(change) <= noise else 'more than'} the noise of {noise:.4f}"
