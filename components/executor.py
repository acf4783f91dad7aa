"""The types of what TFX hands every executor, by short names."""

from typing import Any

from tfx.types import Artifact

# Artifacts by the name of the input or output; most have one.
Artifacts = dict[str, list[Artifact]]

# A component's parameters by name.
Properties = dict[str, Any]
