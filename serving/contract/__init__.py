"""What a pushed model and its folder look like: the one place that both the pusher's side and the server's side read.

It holds names in the folders, the configuration file, the versions on disk, the file format of recorded requests, and the
errors. It imports no other part of :mod:`serving`; the messages that travel are in :mod:`charseq_client.messages`.
"""
