"""What it costs: each subject beside what people would use instead, in one run on one machine."""
