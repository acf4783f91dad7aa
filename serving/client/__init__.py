"""Clients for TensorFlow Serving and for the built-in server, which import no TensorFlow.

:class:`Client` blocks, :class:`AsyncClient` is for asyncio; :mod:`serving.client.text` writes text with a language model.
"""

from serving.client.answers import Prediction, PredictionError, VersionStatus
from serving.client.asynchronous import AsyncClient
from serving.client.blocking import Client
from serving.client.calls import Retries

__all__ = ["AsyncClient", "Client", "Prediction", "PredictionError", "Retries", "VersionStatus"]
