"""Baseline: the version that is being served now, as the model that a candidate must not fall behind."""
