"""The ExampleGen components, as TFX names them."""

import importlib.metadata

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Channel, ComponentSpec, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.example_gen.dates.settings import DatesData
from components.example_gen.executor import DatesExecutor, PairsExecutor, SumsExecutor, TextExecutor
from components.example_gen.pairs import look_at_files
from components.example_gen.settings import PairsData, SumsData, TextData
from components.settings import SettingsError, to_json
from data.corpora import fingerprint as corpus_fingerprint
from data.errors import CorpusError
from data.files import fingerprint


class ExampleGenSpec(ComponentSpec):
    """Settings in, examples out; `fingerprint` is what TFX's cache sees of files outside the settings."""

    PARAMETERS = {"data": ExecutionParameter(type=str), "fingerprint": ExecutionParameter(type=str)}
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {"examples": ChannelParameter(type=standard_artifacts.Examples)}


class SumsExampleGen(BaseBeamComponent):
    """Generates sums as strings: features `expression`, `answer`, and for slices `digits` and `carries`."""

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(SumsExecutor)

    def __init__(self, data: SumsData):
        super().__init__(
            ExampleGenSpec(data=to_json(data), fingerprint="", examples=Channel(type=standard_artifacts.Examples))
        )


class DatesExampleGen(BaseBeamComponent):
    """Generates dates as strings: features `expression`, `answer`, and for slices `locale` and `format`."""

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(DatesExecutor)

    def __init__(self, data: DatesData):
        super().__init__(
            ExampleGenSpec(
                data=to_json(data),
                # Another version of Babel has another version of CLDR.
                fingerprint=f"babel {importlib.metadata.version('babel')}",
                examples=Channel(type=standard_artifacts.Examples),
            )
        )


class PairsExampleGen(BaseBeamComponent):
    """Reads a user's pairs.

    Features: `expression`; `answer`, the most frequent right answer; `others`, the other right ones (empty in training, where
    every row is an example); and for slices `length`, characters of the expression.
    """

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(PairsExecutor)

    def __init__(self, data: PairsData):
        """Looks which files there are, and at the beginning of the first ones.

        Raises:
          SettingsError: There is no such file, or it cannot be read.
        """
        super().__init__(
            ExampleGenSpec(
                data=to_json(data),
                fingerprint=fingerprint(look_at_files(data)),
                examples=Channel(type=standard_artifacts.Examples),
            )
        )


class TextExampleGen(BaseBeamComponent):
    """Reads a text: features `context` and `text` (read and predicted characters of a window) and `position`."""

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(TextExecutor)

    def __init__(self, data: TextData):
        """Looks which files there are; downloads nothing.

        Raises:
          SettingsError: There is no such corpus.
        """
        try:
            found = corpus_fingerprint(data.corpus, data.spans)
        except CorpusError as error:
            raise SettingsError(str(error)) from None
        super().__init__(
            ExampleGenSpec(data=to_json(data), fingerprint=found, examples=Channel(type=standard_artifacts.Examples))
        )
