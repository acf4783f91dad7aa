"""The Pusher component: TFX's own checks of the blessings, an atomic push with the data's statistics, and the rollout."""

import os

from tfx.components.pusher import executor as tfx_executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import (
    INFRA_BLESSING_KEY,
    MODEL_BLESSING_KEY,
    MODEL_KEY,
    PUSHED_MODEL_KEY,
    STATISTICS_KEY,
)

from components.executor import Artifacts, Properties
from components.files import copy_folder, write_file
from components.pusher.publish import publish
from components.pusher.rollout import hold, roll_out
from components.pusher.settings import RolloutSettings
from components.settings import from_json, to_json
from serving.contract.layout import STATISTICS_PATH

#: Of a pushed model: what became of its rollout, JSON with the fields of `serving.contract.canary_result.CanaryResult`.
ROLLOUT_PROPERTY = "rollout"


class Executor(tfx_executor.Executor):
    """TFX's executor copies file by file into the final folder, where a server may already be looking; this one renames."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Publishes the model that InfraValidator gave its warm-up requests, if both blessings are there."""
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        settings = from_json(RolloutSettings, exec_properties["rollout"])
        model_dir = exec_properties["model_dir"]
        if settings.server:
            hold(settings, model_dir)
        statistics = stats_artifact_utils.load_statistics(
            artifact_utils.get_single_instance(input_dict[STATISTICS_KEY]), "train"
        ).proto()

        def add_statistics(folder: str) -> None:
            write_file(os.path.join(folder, STATISTICS_PATH), statistics.SerializeToString(deterministic=True))

        # Without `model`, TFX's method takes the copy with warm-up requests out of the infra blessing.
        model_path = self.GetModelPath({INFRA_BLESSING_KEY: input_dict[INFRA_BLESSING_KEY]})
        version = publish(model_path, model_dir, add_statistics)
        destination = os.path.join(model_dir, str(version))
        copy_folder(destination, pushed.uri)
        self._MarkPushed(pushed, pushed_destination=destination, pushed_version=str(version))
        if settings.server:
            pushed.set_string_custom_property(ROLLOUT_PROPERTY, roll_out(settings, model_dir, version).to_json())


class PusherSpec(ComponentSpec):
    """Blessings, model and statistics in, a pushed version out."""

    PARAMETERS = {"model_dir": ExecutionParameter(type=str), "rollout": ExecutionParameter(type=str)}
    INPUTS = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
        INFRA_BLESSING_KEY: ChannelParameter(type=standard_artifacts.InfraBlessing),
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics),
    }
    OUTPUTS = {PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(BaseComponent):
    """Publishes a model that Evaluator and InfraValidator have both blessed."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: BaseChannel,
        model_blessing: BaseChannel,
        infra_blessing: BaseChannel,
        statistics: BaseChannel,
        model_dir: str,
        rollout: RolloutSettings,
    ):
        super().__init__(
            PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                statistics=statistics,
                model_dir=model_dir,
                rollout=to_json(rollout),
                pushed_model=Channel(type=standard_artifacts.PushedModel),
            )
        )
