"""The models that the tests of serving have."""

from tests.serving.conftest import shout_models, writer_model

__all__ = ["shout_models", "writer_model"]
