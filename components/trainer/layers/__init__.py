"""Keras layers of our own: an LSTM whose training on a CPU is bound by its matrix products alone, and its dropout."""
