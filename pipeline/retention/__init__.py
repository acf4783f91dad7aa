"""What may be deleted of old runs: artifacts, checkpoints and pushed versions, and why the rest is kept."""
