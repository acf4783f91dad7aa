"""The family `dates`: dates as people write them, to ISO 8601."""
