"""The family `pairs`: a user's own pairs of strings."""
