"""Answers for the rows of a table: read, asked of a model, and written in the same order."""
