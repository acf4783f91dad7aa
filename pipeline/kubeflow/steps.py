"""What every step of a compiled pipeline has: retries, caching, processors and memory."""

from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.kubeflow import parameters
from pipeline.kubeflow.settings import KubeflowSettings

# The first wait is 30 s, and each further one twice as long as the one before.
_RETRY_SECONDS, _RETRY_FACTOR = 30, 2

# Argo counts `backoff_max_duration` from the start of the first attempt. After it Argo tries nothing again, and terminates a
# second attempt that is running. So it has to be longer than all attempts of the longest training. It cannot be left out:
# Kubeflow's template names it in any case.
_RETRY_WINDOW_SECONDS = 7 * 24 * 60 * 60


def set_retries_and_cache(task: pipeline_spec_pb2.PipelineTaskSpec, settings: KubeflowSettings) -> None:
    """Says how often a step is tried again, and whether it may take an earlier run's outputs."""
    task.caching_options.enable_cache = settings.cache and task.task_info.name not in settings.uncached
    if settings.retries:
        task.retry_policy.max_retry_count = settings.retries
        task.retry_policy.backoff_duration.seconds = _RETRY_SECONDS
        task.retry_policy.backoff_factor = _RETRY_FACTOR
        task.retry_policy.backoff_max_duration.seconds = _RETRY_WINDOW_SECONDS


def set_resources(resources: Any, step: str, accelerated: bool, settings: KubeflowSettings) -> None:
    """Requests what is the limit, too: a training that is throttled or evicted half way costs more than it spares."""
    cpu, memory = settings.step_resources(step)
    resources.resource_cpu_limit = resources.resource_cpu_request = cpu
    resources.resource_memory_limit = resources.resource_memory_request = memory
    if accelerated:
        resources.accelerator.resource_type = parameters.placeholder(parameters.ACCELERATOR_TYPE)
        resources.accelerator.resource_count = parameters.placeholder(parameters.ACCELERATOR_COUNT)
