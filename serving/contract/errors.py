"""The one error type of the server, and the status codes it carries."""

from enum import IntEnum

# TensorFlow Serving cuts a status message to this many bytes before it goes into the trailers of a call.
MESSAGE_LIMIT_BYTES = 1024


class Code(IntEnum):
    """Canonical status codes: the numbers that TensorFlow's C API, absl::Status and gRPC share."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """A request, a model or a configuration that was refused.

    Attributes:
      code: The canonical status code a client sees.
      message: What is wrong. Bytes that are not UTF-8 (a model may quote its input) are kept as surrogate escapes.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    def details(self) -> bytes:
        """Returns the message as it goes over the wire: its own bytes, cut where TensorFlow Serving cuts."""
        raw = self.message.encode("utf-8", "surrogateescape")
        return raw[:MESSAGE_LIMIT_BYTES] + b"...TRUNCATED" if len(raw) > MESSAGE_LIMIT_BYTES else raw


def invalid_argument(message: str) -> ServingError:
    """Returns the error for a request whose content is wrong."""
    return ServingError(Code.INVALID_ARGUMENT, message)
