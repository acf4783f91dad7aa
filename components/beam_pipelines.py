"""Beam pipelines that are made in less time: what Beam finds out about a method or an option is found out once.

For each of its hundreds of steps, Beam inspects the signatures of all thirty methods of a DoFn, several times. For each of the
options that it looks at, it makes a parser of arguments. That is a quarter of the time of a pipeline with few data.
"""

import contextlib
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core

_Arguments = tuple[list[str], list[Any]]


@contextlib.contextmanager
def quickly_made() -> Iterator[None]:
    """Beam pipelines within are made quickly. They are the same pipelines."""
    inspect, view_as = core.get_function_args_defaults, PipelineOptions.view_as
    core.get_function_args_defaults = _once_for_each_method(inspect)
    PipelineOptions.view_as = _once_for_each_class(view_as)
    try:
        yield
    finally:
        core.get_function_args_defaults, PipelineOptions.view_as = inspect, view_as


def _once_for_each_method(inspect: Callable[[Any], _Arguments]) -> Callable[[Any], _Arguments]:
    """Returns Beam's function that tells the arguments of a callable; bound methods have those that their function has."""
    found: dict[Any, _Arguments] = {}

    def inspect_once(callable_: Any) -> _Arguments:
        if not isinstance(callable_, types.MethodType):
            return inspect(callable_)
        function = callable_.__func__
        if function not in found:
            found[function] = inspect(callable_)
        names, defaults = found[function]
        return list(names), list(defaults)

    return inspect_once


def _once_for_each_class(view_as: Callable[[Any, type], Any]) -> Callable[[Any, type], Any]:
    """Returns Beam's method that shows options as those of a class; all such views are of the same values."""
    found: weakref.WeakKeyDictionary[Any, dict[type, Any]] = weakref.WeakKeyDictionary()

    def view_once(options: Any, class_: type) -> Any:
        views = found.setdefault(options, {})
        if class_ not in views:
            views[class_] = view_as(options, class_)
        return views[class_]

    return view_once
