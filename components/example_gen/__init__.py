"""ExampleGen: training and evaluation examples, generated or read from a user's files."""
