"""Dates as people write them, in many languages, and the same dates in ISO 8601."""
