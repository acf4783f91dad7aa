"""``BatchingParameters``: what an operator, or a model, says of how requests share batches."""

import os
from dataclasses import dataclass

from serving.contract.errors import invalid_argument
from serving.contract.layout import BATCHING_PARAMETERS_NAME
from serving.server.config_messages import read_message


@dataclass(frozen=True)
class BatchingParameters:
    """``BatchingParameters``, with the defaults of TensorFlow Serving.

    Attributes:
      max_batch_size: Most rows in a request; one with more is refused.
      max_execution_batch_size: Most rows in a batch, if that is less: a request with more is split among several batches
        (``enable_large_batch_splitting``). None: as many as in a request.
      batch_timeout_s: Longest wait for a batch to fill up, in seconds; 0 for none.
      max_enqueued_batches: Batches' worth of rows that may wait, per kind of request.
      num_batch_threads: Batches run at a time.
      allowed_batch_sizes: Sizes that a batch is filled up to, in ascending order; none for any.
      pad_variable_length_inputs: Whether requests of different shapes share a batch, as large as the largest of them.
    """

    max_batch_size: int = 1000
    max_execution_batch_size: int | None = None
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False

    @property
    def rows_in_batch(self) -> int:
        """Most rows that are run together."""
        return self.max_execution_batch_size or self.max_batch_size

    @property
    def most_waiting_rows(self) -> int:
        """Most rows that may wait in one queue."""
        return self.max_enqueued_batches * self.rows_in_batch

    def padded(self, rows: int) -> int:
        """Returns the size that a batch is filled up to."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_batching_parameters(path: str, num_cpus: int) -> BatchingParameters:
    """Reads ``--batching_parameters_file``; an empty path gives the defaults.

    Raises:
      ServingError: the file cannot be read, or is wrong.
    """
    return _read(path, num_cpus, "batching_parameters_file") if path else BatchingParameters(num_batch_threads=num_cpus)


def read_model_parameters(version_dir: str) -> BatchingParameters | None:
    """Reads the parameters that a version brings (``--enable_per_model_batching_parameters``), its threads aside.

    Args:
      version_dir: The version's folder.

    Returns:
      The parameters, which take nothing over from the server's; None if there are none: its requests are not batched.

    Raises:
      ServingError: the file cannot be read, or is wrong.
    """
    path = os.path.join(version_dir, BATCHING_PARAMETERS_NAME)
    return _read(path, 1, "enable_per_model_batching_parameters") if os.path.exists(path) else None


def _read(path: str, num_cpus: int, flag: str) -> BatchingParameters:
    message = read_message("BatchingParameters", path, flag)

    def number(name: str, default: int, least: int) -> int:
        value = int(getattr(message, name).value) if message.HasField(name) else default
        if value < least:
            raise invalid_argument(f"--{flag}: {path}: {name} is {value}; give at least {least}.")
        return value

    most = number("max_batch_size", BatchingParameters.max_batch_size, 1)
    sizes = tuple(message.allowed_batch_sizes)
    if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] != most):
        raise invalid_argument(
            f"--{flag}: {path}: allowed_batch_sizes must ascend and end with max_batch_size, {most}; got {list(sizes)}."
        )
    # As in TensorFlow Serving, the size of an execution means nothing unless large requests are split.
    execution = number("max_execution_batch_size", most, 1) if message.enable_large_batch_splitting.value else most
    if execution > most:
        raise invalid_argument(
            f"--{flag}: {path}: max_execution_batch_size is {execution}; give at most max_batch_size, {most}."
        )
    return BatchingParameters(
        max_batch_size=most,
        max_execution_batch_size=execution if execution < most else None,
        batch_timeout_s=number("batch_timeout_micros", 0, 0) / 1e6,
        max_enqueued_batches=number("max_enqueued_batches", BatchingParameters.max_enqueued_batches, 1),
        num_batch_threads=number("num_batch_threads", num_cpus, 1),
        allowed_batch_sizes=sizes,
        pad_variable_length_inputs=message.pad_variable_length_inputs,
    )
