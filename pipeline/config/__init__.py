"""Configuration: settings, overrides, task files."""
