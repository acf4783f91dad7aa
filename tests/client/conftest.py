"""The models and servers that the tests of serving have."""

from tests.serving.conftest import numbers_model, push, scripted, shout_models, writer_model

__all__ = ["numbers_model", "push", "scripted", "shout_models", "writer_model"]
