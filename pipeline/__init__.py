"""What runs, in which order, and where: configuration, tasks, the pipeline, its runners, and the command line."""
