"""The one error type of the server."""

from charseq_client.codes import Code

__all__ = ["MESSAGE_LIMIT_BYTES", "Code", "ServingError", "invalid_argument"]

# TensorFlow Serving cuts a status message to this many bytes before it goes into the trailers of a call.
MESSAGE_LIMIT_BYTES = 1024


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
