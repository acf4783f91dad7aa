"""StatisticsGen: TFX's own, without a Beam pipeline."""
