"""The family `sums`: generated sums and their answers."""
