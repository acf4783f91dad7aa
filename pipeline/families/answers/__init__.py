"""What the families share whose models answer a string with a string."""
