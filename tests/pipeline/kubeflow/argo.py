"""When Argo Workflows tries a step again, in virtual time.

From `processNodeRetries` in workflow/controller/operator.go of argoproj/argo-workflows 3.7.8, with the strategy that
backend/src/v2/compiler/argocompiler/container.go of kubeflow/pipelines 2.17.0 writes: a limit, and a backoff of duration,
factor and maxDuration. No policy is written, so it is Argo's default: OnFailure.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """An attempt that has ended.

    Attributes:
      started: When, in seconds.
      finished: When, in seconds.
      phase: `Failed` if the step's command failed; `Error` if its pod was deleted, say.
    """

    started: float
    finished: float
    phase: str = "Failed"


@dataclass(frozen=True)
class Again:
    """The step is tried again.

    Attributes:
      at: When, in seconds.
      deadline: When the attempt is terminated, in seconds; it is the pod's activeDeadlineSeconds.
    """

    at: float
    deadline: float


@dataclass(frozen=True)
class Stop:
    """The step has failed for good."""

    reason: str


def decide(policy: Any, attempts: list[Attempt]) -> Again | Stop:
    """Returns what becomes of a step after attempts that have all failed.

    Args:
      policy: The `retry_policy` of the step's task.
      attempts: The attempts so far.
    """
    last = attempts[-1]
    if not policy.ListFields():
        return Stop("there is no retry strategy")
    for name in ("backoff_duration", "backoff_max_duration"):
        if not policy.HasField(name):
            # The template's parameter then has no value (argocompiler declares it in any case).
            raise ValueError(f"{name} is missing, so Argo refuses the workflow")
    deadline = attempts[0].started + policy.backoff_max_duration.seconds
    if last.finished > deadline:
        return Stop("Max duration limit exceeded")
    wait = policy.backoff_duration.seconds
    if policy.backoff_factor > 0:
        wait *= int(policy.backoff_factor) ** (len(attempts) - 1)
    if last.finished + wait > deadline:
        return Stop("Backoff would exceed max duration limit")
    if last.phase == "Error":
        return Stop("Node not set to be retried after status: Error")
    if len(attempts) > policy.max_retry_count:
        return Stop("No more retries left")
    return Again(last.finished + wait, deadline)
