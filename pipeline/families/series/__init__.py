"""The family `series`: values at regular times, of which a model forecasts the next."""
