"""A SavedModel, run as TensorFlow Serving runs it."""

import tensorflow as tf


class Session:
    """Runs signatures of a SavedModel in a session."""

    def __init__(self, path):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            self._signatures = tf.compat.v1.saved_model.load(self._session, ["serve"], path).signature_def

    def __call__(self, signature, **inputs):
        definition = self._signatures[signature]
        feed = {definition.inputs[name].name: value for name, value in inputs.items()}
        return self._session.run({name: info.name for name, info in definition.outputs.items()}, feed)
