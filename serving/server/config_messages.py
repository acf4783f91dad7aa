"""The configuration messages that the tensorflow-serving-api package lacks, defined here field by field.

They live in a descriptor pool of their own: a process that has the real definitions from elsewhere sees no conflict.
"""

import os
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from serving.contract.errors import Code, ServingError, invalid_argument

_MAX_FILE_BYTES = 1 << 20
_Field = descriptor_pb2.FieldDescriptorProto

_WRAPPED = ".google.protobuf."
# Message to its fields: name, number, type (a message's type by its full name), whether it is repeated.
_MESSAGES: dict[str, tuple[tuple[str, int, int | str, bool], ...]] = {
    "BatchingParameters": (
        ("max_batch_size", 1, f"{_WRAPPED}Int64Value", False),
        ("batch_timeout_micros", 2, f"{_WRAPPED}Int64Value", False),
        ("max_enqueued_batches", 3, f"{_WRAPPED}Int64Value", False),
        ("num_batch_threads", 4, f"{_WRAPPED}Int64Value", False),
        ("thread_pool_name", 5, f"{_WRAPPED}StringValue", False),
        ("allowed_batch_sizes", 6, _Field.TYPE_INT64, True),
        ("pad_variable_length_inputs", 7, _Field.TYPE_BOOL, False),
        ("enable_large_batch_splitting", 8, f"{_WRAPPED}BoolValue", False),
        ("max_execution_batch_size", 9, f"{_WRAPPED}Int64Value", False),
    ),
    "SSLConfig": (
        ("server_key", 1, _Field.TYPE_STRING, False),
        ("server_cert", 2, _Field.TYPE_STRING, False),
        ("custom_ca", 3, _Field.TYPE_STRING, False),
        ("client_verify", 4, _Field.TYPE_BOOL, False),
    ),
    "PrometheusConfig": (
        ("enable", 1, _Field.TYPE_BOOL, False),
        ("path", 2, _Field.TYPE_STRING, False),
    ),
    "MonitoringConfig": (("prometheus_config", 1, ".tensorflow.serving.PrometheusConfig", False),),
}


def _define() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="charseq/serving_config.proto", package="tensorflow.serving", syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for message, fields in _MESSAGES.items():
        definition = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            field = definition.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, kind
            else:
                field.type = kind  # type: ignore[assignment]  # an enum's number
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _define()


def read_message(name: str, path: str, flag: str) -> Any:
    """Reads a configuration file in text format.

    Args:
      name: The message: ``BatchingParameters``, ``SSLConfig`` or ``MonitoringConfig``.
      path: The file.
      flag: The flag that named it, for the error message.

    Returns:
      The message.

    Raises:
      ServingError: the file cannot be read, or is no such message.
    """
    return parse_message(_CLASSES[name](), path, flag)


def parse_message(message: Any, path: str, flag: str) -> Any:
    """Reads a file in text format into a message, and returns it; arguments and errors are those of :func:`read_message`."""
    name = message.DESCRIPTOR.name
    try:
        if os.path.getsize(path) > _MAX_FILE_BYTES:
            raise invalid_argument(f"--{flag}: {path} is larger than {_MAX_FILE_BYTES} bytes; that is no {name}.")
        with open(path, encoding="utf-8") as file:
            return text_format.Parse(file.read(), message)
    except OSError as error:
        raise ServingError(Code.NOT_FOUND, f"--{flag}: {path} cannot be read: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise invalid_argument(f"--{flag}: Invalid protobuf file: '{path}' is no {name}: {error}") from error
