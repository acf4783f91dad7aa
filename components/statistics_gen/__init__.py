"""StatisticsGen: TFX's own, reading examples a batch at a time."""
