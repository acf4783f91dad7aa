"""A client for TensorFlow Serving and for charseq's own server, which needs no TensorFlow.

:class:`Client` blocks, :class:`AsyncClient` is for asyncio; :mod:`charseq_client.text` writes text with a language model.
"""

from charseq_client.answers import Prediction, PredictionError, VersionStatus
from charseq_client.asynchronous import AsyncClient
from charseq_client.blocking import Client
from charseq_client.calls import Retries
from charseq_client.codes import Code

__all__ = ["AsyncClient", "Client", "Code", "Prediction", "PredictionError", "Retries", "VersionStatus"]
