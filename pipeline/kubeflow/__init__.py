"""The pipeline on open-source Kubeflow Pipelines 2: compiling it, what a step runs, and submitting it."""
