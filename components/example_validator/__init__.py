"""ExampleValidator: a data set that breaks the reviewed schema, or has drifted, stops the run."""
