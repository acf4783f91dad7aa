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

    kind = "serving"
    meaning = "A server refuses a request, a model or a configuration."
    remedy = "See the status codes below."

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


#: What the codes mean that the server and its clients use: cause and remedy.
MEANINGS = {
    Code.INVALID_ARGUMENT: (
        "The request cannot be answered as it is: an unknown character, an input that is missing, too long or of another type.",
        "Correct the input that the message names. To send it again does not help.",
    ),
    Code.NOT_FOUND: (
        "There is no such model, version, label or signature.",
        "`charseq models` lists what is served; the message lists what is there.",
    ),
    Code.FAILED_PRECONDITION: (
        "The model or its folder is not in a state that allows it, for example a configuration that cannot be taken over.",
        "Do what the message says, then try again.",
    ),
    Code.DEADLINE_EXCEEDED: (
        "No answer came within the time that the client allows.",
        "Allow more with --timeout, send fewer rows at a time, or ask for shorter texts.",
    ),
    Code.UNAVAILABLE: (
        "No server answers at the address, or it is loading, stopping or overloaded.",
        "Start one (`charseq serve`), or try again a little later; clients do so by themselves.",
    ),
    Code.RESOURCE_EXHAUSTED: (
        "The request is larger than the server takes, or its queue is full.",
        "Send fewer rows at a time, or later.",
    ),
    Code.UNIMPLEMENTED: (
        "The server does not have the call, or a part of it.",
        "Use another signature or call; the message names what there is.",
    ),
    Code.CANCELLED: ("The client has given the call up, or was closed.", "Nothing, if that was meant."),
    Code.INTERNAL: (
        "The model or the server has failed.",
        "Read the server's log; please report what is not your model's.",
    ),
    Code.UNKNOWN: ("The server has sent a status that its own code does not know.", "Read the server's log."),
    Code.OUT_OF_RANGE: ("A number in the request is beyond what the model can use.", "Correct the input."),
}
