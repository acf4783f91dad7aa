"""What all tests share."""

import os

# Before TensorFlow is imported by any test: its notes would drown what a failing test has to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
