"""Tuner: TFX's, which tries settings out and hands the best ones to the Trainer."""
