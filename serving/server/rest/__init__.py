"""The REST side of the server: HTTP, paths and methods, JSON."""
