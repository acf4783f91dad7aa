"""Evaluator: the gate. Whole answers on unseen examples, by slice, against fixed bounds and the version being served."""
