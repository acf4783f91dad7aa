"""What a client gives back: predictions, states of versions and errors, read from a server's messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from charseq_client.arrays import Array, concatenate, elements, from_proto
from charseq_client.assertion import reason_of
from charseq_client.codes import Code
from charseq_client.messages import get_model_metadata_pb2, get_model_status_pb2


class PredictionError(Exception):
    """A call that a server refused, or that did not reach one.

    Attributes:
      code: The gRPC status code, for example ``INVALID_ARGUMENT``.
      message: The server's whole message.
    """

    kind = "prediction"
    meaning = "A server refuses a call, or does not answer."
    remedy = "See the status codes below."

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    @property
    def reason(self) -> str:
        """The one line of the message that is for people: what a model's assertion said, else the first line."""
        return reason_of(self.message)


@dataclass(frozen=True)
class Prediction:
    """An answer.

    Attributes:
      outputs: Output name to array; strings are arrays of bytes objects. Without numpy: nested lists.
      model: The model that answered.
      version: Its version.
      signature: The signature that ran.
    """

    outputs: dict[str, Array]
    model: str
    version: int
    signature: str

    def strings(self, name: str) -> list[str]:
        """Returns a string output as text, one per element; bytes that are not UTF-8 become surrogate escapes."""
        return [value.decode("utf-8", "surrogateescape") for value in elements(self.outputs[name])]


@dataclass(frozen=True)
class VersionStatus:
    """What a server says of one version of a model.

    Attributes:
      version: The version.
      state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
      error_code: ``OK``, or what went wrong when it was loaded.
      error_message: Likewise, in words.
    """

    version: int
    state: str
    error_code: Code
    error_message: str


def read_error(error: grpc.RpcError) -> PredictionError:
    """Returns what a failed call is to the caller of a client."""
    return PredictionError(Code(error.code().value[0]), error.details() or "")


def read_prediction(responses: Sequence[Any]) -> Prediction:
    """Puts the ``PredictResponse`` of each part of a batch together."""
    spec = responses[0].model_spec
    parts = [{name: from_proto(proto) for name, proto in response.outputs.items()} for response in responses]
    outputs = {name: concatenate([part[name] for part in parts]) for name in parts[0]}
    return Prediction(outputs, spec.name, spec.version.value, spec.signature_name)


def read_signatures(response: Any) -> dict[str, Any]:
    """Returns the signatures of a ``GetModelMetadataResponse``."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return dict(signatures.signature_def)


def read_statuses(response: Any) -> list[VersionStatus]:
    """Returns the states of a ``GetModelStatusResponse``."""
    return [
        VersionStatus(
            entry.version,
            get_model_status_pb2.ModelVersionStatus.State.Name(entry.state),
            Code(entry.status.error_code),
            entry.status.error_message,
        )
        for entry in response.model_version_status
    ]
