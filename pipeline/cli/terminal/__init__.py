"""What a command writes to the terminal: its logs, the list of components of a run, and streams that may fail."""
