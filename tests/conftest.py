"""What all tests share."""

import os

from hypothesis import settings

# Before TensorFlow is imported by any test: its notes would drown what a failing test has to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# An example of a property test may take as long as it does: on a busy machine any of them can be slow.
settings.register_profile("charseq", deadline=None)
settings.load_profile("charseq")
