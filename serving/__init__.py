"""Serving: a model server for machines without TensorFlow Serving, what starts it, and what moves its models on.

Each folder is about one subject. An arrow points from the importer to the imported:

* :mod:`serving.contract`: what a pushed model and its folder look like. Both sides read it; it imports none of the others.
* :mod:`serving.server` → contract, page: the built-in server; start at :mod:`serving.server.model_server`.
* :mod:`serving.rollout` → contract: moves a model from one version to another, and back.
* :mod:`serving.page` → contract: the page on which anyone can try the models.
* :mod:`serving.load_test` → contract: measures a server under load.
* :mod:`serving.launch` → contract: the command that starts a server.

All of them import :mod:`charseq_client`, the client and the messages, which is a package of its own.

Nothing here imports the pipeline, its components, or the ``tensorflow`` Python package, whose import takes 6 to 13 seconds
that neither a server nor a client needs.
"""
