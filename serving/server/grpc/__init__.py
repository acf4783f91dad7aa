"""The gRPC side of the server: calls, health, reflection and TLS."""
