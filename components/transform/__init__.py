"""Transform: characters to indices, by the same graph in training and in serving."""
