"""Serving: a model server for machines without TensorFlow Serving, the clients, and what starts them.

The contract with the rest of the project is the SavedModel on disk; nothing here imports the pipeline, its components,
or the ``tensorflow`` Python package (6 to 13 seconds of import that neither a server nor a client needs).

Start at :mod:`serving.client` to call a server, at :mod:`serving.server` to see how the built-in one is put together.
"""
