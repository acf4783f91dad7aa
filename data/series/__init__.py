"""Series: measured values at regular times, read from tables."""
