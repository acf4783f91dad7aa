"""Programs that make and check the documentation."""
