"""A SavedModel in memory: its signatures and how to run them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from charseq_client.messages import DEFAULT_SIGNATURE, meta_graph_pb2
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.server.models.limits import RequestLimits
from serving.server.models.tensorflow_c_api import Output, Session, Tensor
from serving.server.models.tensors import Encoder, check_paid_for, encode_as_field, tensor_from_proto, tensor_values
from serving.server.models.variables import find_index, restores_variables

# A graph's own operation that marks where initialisation starts; not callable by a client.
_INIT_SIGNATURE = "__saved_model_init_op"

# Gives the outputs of a request, as fields of a serialized ``PredictResponse``, or raises why there are none.
Outputs = Callable[[Encoder], bytes]

# Called at the end of a request.
Done = Callable[[Outputs], None]


@dataclass(frozen=True)
class Signature:
    """One signature, with its tensors already looked up in the graph.

    Attributes:
      name: Its key, for example ``serving_default``.
      definition: The ``tensorflow.SignatureDef``.
      feeds: Input alias to tensor.
      fetches: Output alias to tensor.
    """

    name: str
    definition: Any
    feeds: dict[str, Output]
    fetches: dict[str, Output]


class SavedModel:
    """Owns the session of one loaded SavedModel. :meth:`predict` may be called from many threads at a time."""

    def __init__(
        self,
        export_dir: str,
        tags: Sequence[str] = ("serve",),
        config: bytes = b"",
        limits: RequestLimits | None = None,
    ) -> None:
        """Loads the model.

        Args:
          export_dir: The version's folder, with ``saved_model.pb``.
          tags: Tags of the meta graph.
          config: Serialized ``tensorflow.ConfigProto``.
          limits: What one request may cost; anything by default.

        Raises:
          ServingError: it cannot be loaded, with TensorFlow's own reason; NOT_FOUND, its variables were not there all the
            time.
        """
        self.export_dir = export_dir
        self._limits = limits or RequestLimits()
        index = find_index(export_dir)
        self._session = Session(export_dir, tags, config)
        try:
            meta_graph = meta_graph_pb2.MetaGraphDef.FromString(self._session.meta_graph)
            self._session.meta_graph = b""  # as large as the graph, and of no further use
            if restores_variables(meta_graph) and (index is None or index != find_index(export_dir)):
                raise ServingError(
                    Code.NOT_FOUND,
                    f"{export_dir} did not have variables/variables.index all the time, which its graph needs; "
                    "write a version aside, and rename it when it is whole.",
                )
            #: Signature key to ``tensorflow.SignatureDef``, as GetModelMetadata answers it.
            self.signature_defs: dict[str, Any] = {}
            self._signatures: dict[str, Signature] = {}
            for name, definition in meta_graph.signature_def.items():
                # Copied: a field of the meta graph would keep all of it in memory.
                self.signature_defs[name] = own = meta_graph_pb2.SignatureDef()
                own.CopyFrom(definition)
                if name != _INIT_SIGNATURE:
                    self._signatures[name] = Signature(name, own, self._tensors(own.inputs), self._tensors(own.outputs))
        except BaseException:
            self._session.close()
            raise

    def _tensors(self, infos: Any) -> dict[str, Output]:
        """Looks up the tensors of one side of a signature, in the order of their aliases."""
        return {alias: self._session.output(infos[alias].name) for alias in sorted(infos)}

    def signature(self, name: str) -> Signature:
        """Finds a signature by its key; the empty key is ``serving_default``.

        Raises:
          ServingError: FAILED_PRECONDITION, there is none.
        """
        key = name or DEFAULT_SIGNATURE
        try:
            return self._signatures[key]
        except KeyError:
            raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{key}" not found.') from None

    def input_infos(self, name: str) -> Mapping[str, Any]:
        """Returns input alias to ``TensorInfo`` of a signature; the empty key is ``serving_default``.

        Raises:
          ServingError: INVALID_ARGUMENT, there is none.
        """
        key = name or DEFAULT_SIGNATURE
        if key not in self._signatures:
            raise invalid_argument(f'Serving signature name: "{key}" not found in signature def')
        infos: Mapping[str, Any] = self._signatures[key].definition.inputs
        return infos

    def find_signature(self, name: str) -> Signature | None:
        """Finds a signature by its key; None if there is none."""
        return self._signatures.get(name or DEFAULT_SIGNATURE)

    def predict(
        self,
        signature: Signature,
        inputs: Any,
        output_filter: Sequence[str],
        *,
        timeout_ms: int = 0,
        encode: Encoder = encode_as_field,
    ) -> bytes:
        """Runs a signature on the inputs of a PredictRequest.

        Args:
          signature: One of this model's.
          inputs: Map of input alias to ``TensorProto``.
          output_filter: Aliases of the outputs wanted; none for all.
          timeout_ms: Longest time in milliseconds, 0 for no limit.
          encode: How an output is written.

        Returns:
          The outputs, as fields of a serialized ``PredictResponse``.

        Raises:
          ServingError: the request does not fit the signature, or TensorFlow refused it.
        """
        fetches = select_fetches(signature, output_filter)
        matched = match_inputs(signature, inputs)
        rows = max([proto.tensor_shape.dim[0].size for _, proto in matched if proto.tensor_shape.dim], default=1)
        self._check_rows_of(matched, rows)
        with (
            self._limits.turn(rows, timeout_ms),
            self.fetch(signature, matched, list(fetches), timeout_ms) as results,
        ):
            return b"".join(
                [encode(alias, tensor_values(tensor)) for alias, tensor in zip(fetches, results, strict=True)]
            )

    def begin_predict(
        self, signature: Signature, inputs: Any, output_filter: Sequence[str], done: Done, *, timeout_ms: int = 0
    ) -> bool:
        """Begins what :meth:`predict` does, if that can be done without a thread of the caller's; on an event loop.

        Args:
          signature: As for :meth:`predict`.
          inputs: As for :meth:`predict`.
          output_filter: As for :meth:`predict`.
          done: Called at the end, on the event loop.
          timeout_ms: As for :meth:`predict`.

        Returns:
          False if nothing was begun: call :meth:`predict`.

        Raises:
          ServingError: the request does not fit the signature, or too many are waiting.
        """
        return False

    def check_rows(self, rows: int) -> None:
        """Refuses a request of too many rows.

        Args:
          rows: Size of the first dimension of the largest of its inputs.

        Raises:
          ServingError: INVALID_ARGUMENT.
        """
        self._limits.check(rows)

    def _check_rows_of(self, inputs: Sequence[tuple[str, Any]], rows: int) -> None:
        """Refuses inputs of too many rows; what is no tensor at all is said first, as by TensorFlow Serving."""
        try:
            self.check_rows(rows)
        except ServingError:
            for alias, proto in inputs:
                check_paid_for(alias, proto)
            raise

    @contextmanager
    def fetch(
        self, signature: Signature, inputs: Sequence[tuple[str, Any]], fetches: Sequence[str], timeout_ms: int
    ) -> Iterator[list[Tensor]]:
        """Runs a signature and gives the tensors that it answers with, for a ``with`` statement.

        Args:
          signature: The signature.
          inputs: Alias and ``TensorProto`` of every input, from :func:`match_inputs`.
          fetches: Aliases of the outputs wanted.
          timeout_ms: Longest time for the run in milliseconds; 0 for no limit.

        Raises:
          ServingError: an input is no valid tensor, or the model refuses.
        """
        values: list[Tensor] = []
        results: list[Tensor] = []
        try:
            for alias, proto in inputs:
                values.append(tensor_from_proto(alias, proto))
            feeds = (Output * len(values))(*signature.feeds.values())
            wanted = (Output * len(fetches))(*(signature.fetches[alias] for alias in fetches))
            try:
                results = self._session.run(feeds, values, wanted, timeout_ms)
            except ServingError as error:
                raise _explained(error, signature, inputs) from error
            yield results
        finally:
            for tensor in (*values, *results):
                tensor.close()

    def close(self) -> None:
        """Frees the model. No call may be in progress."""
        self._session.close()


def _explained(error: ServingError, signature: Signature, inputs: Sequence[tuple[str, Any]]) -> ServingError:
    """Returns the error of a run; where an input has not the shape that the signature says, one that says so.

    Only after a run has failed: a graph may take more than its signature says, and TensorFlow Serving lets it.
    """
    if error.code not in (Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE, Code.INTERNAL):
        return error
    for alias, proto in inputs:
        wanted = signature.definition.inputs[alias].tensor_shape
        sizes = [dimension.size for dimension in proto.tensor_shape.dim]
        expected = [dimension.size for dimension in wanted.dim]
        fits = len(sizes) == len(expected) and all(w in (-1, s) for w, s in zip(expected, sizes, strict=True))
        if not wanted.unknown_rank and not fits:
            return invalid_argument(
                f"Input {alias} has shape {sizes}; signature {signature.name} takes {expected} (-1: any size)."
            )
    return error


def select_fetches(signature: Signature, output_filter: Sequence[str]) -> dict[str, Output]:
    """Returns the tensors to fetch, by alias.

    Raises:
      ServingError: INVALID_ARGUMENT, the filter names an output that is not there, or one twice.
    """
    if not output_filter:
        return signature.fetches
    fetches: dict[str, Output] = {}
    for alias in output_filter:
        if alias not in signature.fetches:
            known = ",".join(signature.fetches)
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {{{known}}}."
            )
        if alias in fetches:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        fetches[alias] = signature.fetches[alias]
    return fetches


def match_inputs(signature: Signature, inputs: Any) -> list[tuple[str, Any]]:
    """Pairs every input of a signature with its value: the request's, or the default that the model brings.

    Args:
      signature: The signature.
      inputs: Map of alias to ``TensorProto`` from the request.

    Returns:
      Alias and ``TensorProto``, in the order of ``signature.feeds``.

    Raises:
      ServingError: INVALID_ARGUMENT, inputs are missing or unknown.
    """
    expected = signature.feeds
    present = [(alias, inputs[alias]) for alias in expected if alias in inputs]
    if len(present) == len(expected) == len(inputs):
        return present
    defaults = signature.definition.defaults
    sent = sorted(inputs)
    if len(sent) > len(expected) or (len(sent) < len(expected) and not defaults):
        extra = ",".join(alias for alias in sent if alias not in expected)
        missing = ",".join(alias for alias in expected if alias not in inputs)
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} len({{{','.join(sent)}}}) != "
            f"len({{{','.join(expected)}}}). Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
        )
    matched = []
    for alias in expected:
        if alias in inputs:
            matched.append((alias, inputs[alias]))
        elif alias in defaults:
            matched.append((alias, defaults[alias]))
        else:
            feed_name = signature.definition.inputs[alias].name
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {feed_name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {{{','.join(sent)}}}, or default input alias set: "
                f"{','.join(sorted(defaults))}"
            )
    used = [alias for alias in sent if alias in expected]
    if len(used) != len(sent):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(used)}, request input: {','.join(sent)}"
        )
    return matched
