"""The built-in model server: TensorFlow Serving's gRPC and REST API, and its flags, over TensorFlow's C API.

:mod:`serving.server.model_server` puts it together. ``models`` loads and unloads, ``batching`` runs requests together,
``prediction_service`` and ``model_service`` answer, ``grpc`` and ``rest`` are the ways in.
"""
