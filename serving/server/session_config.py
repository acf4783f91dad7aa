"""The settings of TensorFlow's sessions, from the flags."""

import logging

from charseq_client.messages import config_pb2, rewriter_config_pb2
from serving.contract.errors import invalid_argument
from serving.server.config_messages import parse_message
from serving.server.flags import Flags
from serving.server.models.tensorflow_c_api import disable_xla

logger = logging.getLogger(__name__)

_BFLOAT16 = "bfloat16"


def session_config(flags: Flags) -> bytes:
    """Returns the serialized ``ConfigProto`` for every session.

    Raises:
      ServingError: ``--tensorflow_session_config_file`` cannot be read, or ``--mixed_precision`` is unknown.
    """
    config = config_pb2.ConfigProto()
    if flags.tensorflow_session_config_file:
        config = parse_message(config, flags.tensorflow_session_config_file, "tensorflow_session_config_file")
    both = flags.tensorflow_session_parallelism
    config.intra_op_parallelism_threads = (
        flags.tensorflow_intra_op_parallelism or both or config.intra_op_parallelism_threads
    )
    config.inter_op_parallelism_threads = (
        flags.tensorflow_inter_op_parallelism or both or config.inter_op_parallelism_threads
    )
    if flags.per_process_gpu_memory_fraction:
        config.gpu_options.per_process_gpu_memory_fraction = flags.per_process_gpu_memory_fraction
    if flags.mixed_precision:
        if flags.mixed_precision != _BFLOAT16:
            raise invalid_argument(f"--mixed_precision is {flags.mixed_precision!r}; the one it can be is {_BFLOAT16}.")
        options = config.graph_options.rewrite_options
        options.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    # Threads that wait for the next operation leave the processor to those that read and answer requests: a seventh less time
    # of processors a request, by `charseq bench serve`.
    config.experimental.disable_thread_spinning = True
    return bytes(config.SerializeToString())


def apply_xla(flags: Flags) -> None:
    """Has every model refused that asks for XLA's compiler, unless a flag allows it, as TensorFlow Serving does."""
    if not (flags.xla_cpu_compilation_enabled or flags.xla_gpu_compilation_enabled):
        disable_xla()
