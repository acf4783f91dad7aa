"""Requests that a server has logged: as a table, and beside the training data."""
