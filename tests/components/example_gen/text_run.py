"""Takes a text through ExampleGen and Transform, and says what it cost.

`python -m tests.components.example_gen.text_run SETTINGS ROOT` does it in a process of its own, so that the memory is that of
these components alone.
"""

import json
import os
import resource
import sys

from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline

from components.example_gen.component import TextExampleGen
from components.example_gen.settings import TextData
from components.tfx_libraries import tfdv
from components.transform.component import Transform
from pipeline.beam.settings import BeamSettings
from pipeline.families import find_family
from pipeline.local.runner import LocalRunner
from pipeline.run_observer import RunObserver

SCHEMA = find_family("text").schema_path


def run(data, root, statistics=True):
    """Runs the components, with their artifacts under `root`/artifacts; returns seconds, and peak megabytes so far, of each."""
    example_gen = TextExampleGen(data)
    examples = example_gen.outputs["examples"]
    schema_gen = ImportSchemaGen(SCHEMA)
    transform = Transform(
        examples,
        schema_gen.outputs["schema"],
        preprocessing_fn="components.transform.text.preprocessing_fn",
        disable_statistics=True,
        disable_analyzer_cache=True,
    )
    # Without sketches every distinct string is counted by itself, whatever the schema says.
    options = tfdv.StatsOptions(use_sketch_based_topk_uniques=True)
    statistics_gens = [StatisticsGen(examples, schema_gen.outputs["schema"], options)] if statistics else []
    for statistics_gen in statistics_gens:
        statistics_gen.add_upstream_node(transform)  # last, for its memory hides what comes after
    costs = {}

    class Costs(RunObserver):
        def on_done(self, component, seconds, cached):
            costs[component] = (round(seconds, 1), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

    LocalRunner(Costs()).run(
        Pipeline(
            pipeline_name="text",
            pipeline_root=os.path.join(root, "artifacts"),
            components=[example_gen, schema_gen, transform, *statistics_gens],
            metadata_connection_config=sqlite_metadata_connection_config(os.path.join(root, "metadata.sqlite")),
            beam_pipeline_args=BeamSettings(workers=1).pipeline_args,
        )
    )
    return costs


if __name__ == "__main__":
    print(json.dumps(run(TextData(**json.loads(sys.argv[1])), sys.argv[2], "--statistics" in sys.argv)))
