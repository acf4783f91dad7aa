"""The Transform component: TFX's own, with transformed examples that are the same bytes whatever the runner."""

from tfx.components.transform import component as tfx_component
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

from components.transform.executor import Executor


class Transform(tfx_component.Transform):
    """Makes the Transform graph and applies it to the examples."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)
