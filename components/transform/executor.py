"""The executor of Transform: TFX's own for the analysis, and transformed examples shard by shard.

TFX has Beam decide which example goes into which file, and in which order, so its files differ with the runner and from one
run to the next. Here each shard of the examples becomes the shard of the same number, in the same order.
"""

from collections.abc import Iterator

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.saved import saved_transform_io_v2
from tfx.components.transform import executor as tfx_executor
from tfx.types import Artifact, artifact_utils
from tfx.types.standard_component_specs import (
    EXAMPLES_KEY,
    TRANSFORM_GRAPH_KEY,
    TRANSFORMED_EXAMPLES_KEY,
)

from components.beam_pipelines import quickly_made
from components.example_batches import examples_in_batches
from components.example_file import ExampleFile, remove_unfinished
from components.executor import Artifacts, Properties
from components.files import list_files
from components.shared_artifacts import shared_artifacts

# Examples in one call of the graph.
_BATCH = 4_096


class Executor(tfx_executor.Executor):
    """Analyses the split `train` and transforms every split."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes the Transform graph, and the transformed examples with the shards that the examples have."""
        with quickly_made(), shared_artifacts(self._beam_pipeline_args, input_dict, output_dict):
            analysis = {name: artifacts for name, artifacts in output_dict.items() if name != TRANSFORMED_EXAMPLES_KEY}
            with examples_in_batches():
                super().Do(input_dict, analysis, exec_properties)
            self._write_examples(input_dict, output_dict)

    def _write_examples(self, input_dict: Artifacts, output_dict: Artifacts) -> None:
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        transformed = artifact_utils.get_single_instance(output_dict[TRANSFORMED_EXAMPLES_KEY])
        transformed.split_names = examples.split_names
        graph_uri = artifact_utils.get_single_uri(output_dict[TRANSFORM_GRAPH_KEY])
        try:
            with self._make_beam_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Shards" >> beam.Create(list(_shards(examples)), reshuffle=True)
                    | "Transform" >> beam.ParDo(_TransformShard(graph_uri, transformed.uri))
                )
        finally:
            remove_unfinished(transformed.uri)


def _shards(examples: Artifact) -> Iterator[tuple[str, str, str]]:
    """Yields the path of each shard of the examples, its split and the name of the transformed one."""
    for split in artifact_utils.decode_split_names(examples.split_names):
        paths = list_files(artifact_utils.get_split_uri([examples], split))
        for shard, path in enumerate(paths):
            yield path, split, f"transformed_examples-{shard:05d}-of-{len(paths):05d}.gz"


class _TransformShard(beam.DoFn):
    """Transforms one shard."""

    def __init__(self, graph_uri: str, examples_uri: str):
        self._graph_uri, self._examples_uri = graph_uri, examples_uri

    def setup(self) -> None:
        output = tft.TFTransformOutput(self._graph_uri)
        self._raw_spec = output.raw_feature_spec()
        self._graph = saved_transform_io_v2.SavedModelLoader(output.transform_savedmodel_dir)
        self._schema = output.transformed_metadata.schema
        self._converter = impl_helper.make_tensor_to_arrow_converter(self._schema)

    def process(self, element: tuple[str, str, str]) -> None:
        path, split, name = element
        with ExampleFile(self._examples_uri, split, name, self._schema) as file:
            for records in tf.data.TFRecordDataset(path, "GZIP").batch(_BATCH):
                examples = tf.io.parse_example(records, self._raw_spec)
                file.write(self._converter.convert(self._graph.apply_transform_model(examples)))
