"""The platform spec: what Kubernetes has to know of the steps' pods and the pipeline spec has no words for."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.kubeflow.parameters import NODE_SELECTOR, TOLERATIONS
from pipeline.kubeflow.settings import KubeflowSettings


def platform_spec(
    spec: pipeline_spec_pb2.PipelineSpec,
    accelerated: Sequence[str],
    settings: KubeflowSettings,
) -> dict[str, Any]:
    """Returns the second document of the YAML.

    The backend itself writes the rest of what `restricted` asks for into every step: no privilege escalation, no capabilities,
    and the runtime's seccomp profile (backend/src/v2/compiler/argocompiler/security_context.go of kubeflow/pipelines 2.16).

    Args:
      spec: The compiled pipeline.
      accelerated: The steps that run on nodes with accelerators.
      settings: How the pipeline runs on the cluster.
    """
    executors = {}
    for step, task in spec.root.dag.tasks.items():
        config = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        if settings.run_as_user is not None:
            config.security_context.run_as_user = config.security_context.run_as_group = settings.run_as_user
            config.security_context.run_as_non_root = True
        # So that a step also runs where a policy makes the root file system read-only.
        config.empty_dir_mounts.add(volume_name="tmp", mount_path="/tmp")  # noqa: S108 (the pod's own)
        if step in accelerated:
            config.node_selector.node_selector_json.component_input_parameter = NODE_SELECTOR
            config.tolerations.add().toleration_json.component_input_parameter = TOLERATIONS
        if settings.claim:
            # Also where no parameter names it: a run's settings may name a file in it, and every step reads them.
            mount = config.pvc_mount.add(mount_path=settings.mount)
            mount.pvc_name_parameter.runtime_value.constant.string_value = settings.claim
            # For backends from before the field above.
            mount.constant = settings.claim
        executors[spec.components[task.component_ref.name].executor_label] = json_format.MessageToDict(config)
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
