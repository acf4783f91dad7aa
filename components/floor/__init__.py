"""Floor: what a simple method reaches on the test examples, which a model must beat."""
