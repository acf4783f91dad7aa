"""What cleaned the training text cleans requests too, inside the served graph."""
