"""The features of an example, by name."""

# What the model reads and what it forecasts, float [context] and [horizon].
HISTORY = "history"
TARGET = "target"

# What an error is divided by (MASE), float [1].
SCALE = "scale"

# The series, and the last time that the forecast knows, bytes [1].
SERIES = "series"
ORIGIN = "origin"


# What Transform makes of them: the scaled window [context] and target [horizon], and what makes raw numbers of scaled ones,
# base [horizon] and unit [1].
INPUTS = "inputs"
TARGETS = "targets"
BASE = "base"
UNIT = "unit"
