"""Language models of characters: what they are, how they are trained, and how they write inside the graph."""
