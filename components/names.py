"""The names in a run's record (ML Metadata) that components write and readers of the record look for; it imports nothing."""

# Components.
BASELINE = "Baseline"
STATISTICS_GEN = "StatisticsGen"
EXAMPLE_VALIDATOR = "ExampleValidator"
TRANSFORM = "Transform"
TUNER = "Tuner"
TRAINER = "Trainer"
EVALUATOR = "Evaluator"
INFRA_VALIDATOR = "InfraValidator"
PUSHER = "Pusher"
BROWSER_MODEL = "BrowserModel"

# Outputs whose names are our own.
BROWSER_MODEL_KEY = "browser_model"
FLOOR_KEY = "floor"

# Of the examples: hash of all of them, JSON of their number in each split, and JSON of what was found in the user's data.
FINGERPRINT_PROPERTY = "fingerprint"
COUNTS_PROPERTY = "examples"
SUMMARY_PROPERTY = "summary"

# Of Baseline's model: the version being served, or the empty string if none is.
VERSION_PROPERTY = "version"

# Of Evaluator's evaluation: JSON of the metrics over all test examples, the one that decides first.
METRICS_PROPERTY = "metrics"

# Of Evaluator's blessing: JSON list of why the candidate is refused, empty if it is blessed.
REASONS_PROPERTY = "reasons"

# Of InfraValidator's blessing: why the candidate is refused.
REASON_PROPERTY = "reason"

# Of both blessings, as TFX has it: 1 or 0.
BLESSED_PROPERTY = "blessed"

# Of a pushed model, as TFX has it: its version.
PUSHED_VERSION_PROPERTY = "pushed_version"

# Of a pushed model: what became of its rollout, JSON with the fields of `serving.contract.canary_result.CanaryResult`.
ROLLOUT_PROPERTY = "rollout"
