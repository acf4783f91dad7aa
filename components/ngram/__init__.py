"""NgramModel: what a model that only counts makes of the same text, the floor for a neural one."""
