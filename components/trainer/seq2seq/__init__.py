"""An autoregressive encoder-decoder that attends to its input: pairs of any length, with vocabularies of their own."""
