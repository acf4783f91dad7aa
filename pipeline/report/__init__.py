"""The report of a run, and of two beside each other: HTML pages that need nothing else, from ML Metadata and the artifacts."""
