"""A run on this machine: the runner, what it needs to import, and a server of its own."""
