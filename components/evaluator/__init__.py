"""Evaluator: the gate. Whole answers on the test split, by slice, against fixed bounds and the version being served."""
