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

# Properties of the examples: a hash of all of them, their number in each split as JSON, and what was found in the user's
# data as JSON.
FINGERPRINT_PROPERTY = "fingerprint"
COUNTS_PROPERTY = "examples"
SUMMARY_PROPERTY = "summary"

# Property of Baseline's model: the version being served, or the empty string if none is.
VERSION_PROPERTY = "version"

# Property of Evaluator's evaluation: JSON of the metrics over all test examples, the one that decides first.
METRICS_PROPERTY = "metrics"

# Property of Evaluator's blessing: JSON list of why the candidate is refused, empty if it is blessed.
REASONS_PROPERTY = "reasons"

# Property of InfraValidator's blessing: why the candidate is refused.
REASON_PROPERTY = "reason"

# Property of both blessings, as TFX has it: 1 or 0.
BLESSED_PROPERTY = "blessed"

# Property of a pushed model, as TFX has it: its version.
PUSHED_VERSION_PROPERTY = "pushed_version"

# Property of a pushed model: what became of its rollout, JSON with the fields of `serving.contract.canary_result.CanaryResult`.
ROLLOUT_PROPERTY = "rollout"
