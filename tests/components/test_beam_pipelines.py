"""Pipelines that are made quickly are those that Beam makes."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.transforms import core, userstate

from components.beam_pipelines import quickly_made

pytestmark = pytest.mark.model

_SEEN = beam.DoFn.StateParam(userstate.CombiningValueStateSpec("seen", combine_fn=sum))


class First(beam.DoFn):
    """Has state, by a default of its method."""

    def process(self, element, seen=_SEEN):
        if not seen.read():
            yield element
        seen.add(1)


class Later(First):
    """Inherits all but the one method, which has no state."""

    def process(self, element, factor=2):
        yield element[0], element[1] * factor


def run(path):
    with beam.Pipeline(argv=["--runner=FnApiRunner", "--direct_num_workers=1"]) as pipeline:
        keyed = pipeline | beam.Create([("a", 1), ("a", 1), ("b", 3)])
        first, later = keyed | "First" >> beam.ParDo(First()), keyed | "Later" >> beam.ParDo(Later(), factor=5)
        summed = (first, later) | beam.Flatten() | beam.CombinePerKey(sum)
        _ = summed | beam.Map(lambda pair, sign: (pair[0], sign * pair[1]), sign=-1) | beam.io.WriteToText(str(path))
    return sorted(line for file in path.parent.glob(f"{path.name}*") for line in file.read_text().splitlines())


def test_the_results_are_those_of_beam_with_state_side_arguments_and_methods_that_are_inherited(tmp_path):
    before = core.get_function_args_defaults, PipelineOptions.view_as
    with quickly_made():
        found = run(tmp_path / "quick")
    assert (core.get_function_args_defaults, PipelineOptions.view_as) == before
    assert found == run(tmp_path / "beam") == ["('a', -11)", "('b', -18)"]


def test_a_method_tells_its_arguments_whoever_overrides_it():
    with quickly_made():
        for _ in range(2):
            assert userstate.is_stateful_dofn(First())
            assert not userstate.is_stateful_dofn(Later())
            names, defaults = core.get_function_arguments(Later(), "process")
            assert (names, defaults) == (["element", "factor"], [2])
            names.clear()  # what is handed out is the caller's


def test_options_are_seen_as_they_are_now_and_not_as_they_were():
    with quickly_made():
        options, others = PipelineOptions(["--runner=FnApiRunner"]), PipelineOptions([])
        assert options.view_as(DirectOptions).direct_num_workers == 1
        options.view_as(DirectOptions).direct_num_workers = 3
        assert options.view_as(DirectOptions).direct_num_workers == 3
        assert others.view_as(DirectOptions).direct_num_workers == 1
        assert options.view_as(StandardOptions).runner == "FnApiRunner"
        assert others.view_as(StandardOptions).runner is None
