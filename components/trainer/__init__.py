"""Trainer: Keras models, their training that survives a kill, and their export with the serving signatures."""
