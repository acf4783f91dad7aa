"""TFDV and TFMA, imported in the one order that works.

Both import tfx_bsl.arrow.sql_util, which tfx-bsl 1.21 no longer has (it served SQL slices, unused here). TFX stands in for it
when it is imported; without that TFDV does not import, and TFMA does with half its names missing.
"""

import tfx  # noqa: F401

import tensorflow_data_validation as tfdv  # isort: skip
import tensorflow_model_analysis as tfma  # isort: skip
from tensorflow_model_analysis import constants as tfma_constants  # isort: skip
from tensorflow_model_analysis.metrics import metric_types, metric_util  # isort: skip
from tensorflow_model_analysis.proto import config_pb2  # isort: skip

# The messages that a configuration is made of. TFX's Evaluator expects them in TFMA, which no longer has them. TFX adds them
# when it imports all of its components, which is not done here.
for _name in (
    "EvalConfig",
    "GenericChangeThreshold",
    "GenericValueThreshold",
    "MetricConfig",
    "MetricThreshold",
    "MetricsSpec",
    "ModelSpec",
    "SlicingSpec",
):
    if not hasattr(tfma, _name):
        setattr(tfma, _name, getattr(config_pb2, _name))

__all__ = ["metric_types", "metric_util", "tfdv", "tfma", "tfma_constants"]
