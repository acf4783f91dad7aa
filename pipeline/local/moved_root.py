"""A root that was moved or copied: its artifacts' addresses in ML Metadata are those of the folder in which they were made."""

import logging
import os

from pipeline.lineage import open_store
from pipeline.places import Places

_logger = logging.getLogger("charseq.run")

# An artifact lies in ROOT/artifacts/TASK/COMPONENT/OUTPUT/ID.
_ARTIFACTS = "artifacts"
_BELOW_ROOT = 5

# TFX's property of a pushed model, with the address of the version.
_DESTINATION = "pushed_destination"


def follow_moved_root(places: Places) -> None:
    """Corrects the addresses of a root's artifacts, so that nothing that a run takes from its cache lies elsewhere.

    All artifacts of a local runner lie in its root. An address in another root is that of the folder that this one was moved
    or copied from.
    """
    if not os.path.exists(places.metadata_path):
        return
    store = open_store(places.metadata_path)
    moved, before = [], set()
    for artifact in store.get_artifacts():
        root, *inner = artifact.uri.rsplit("/", _BELOW_ROOT)
        if len(inner) != _BELOW_ROOT or inner[0] != _ARTIFACTS or not os.path.isabs(root) or root == places.root:
            continue
        artifact.uri = os.path.join(places.root, *inner)
        pushed = (
            artifact.custom_properties[_DESTINATION].string_value if _DESTINATION in artifact.custom_properties else ""
        )
        if pushed.startswith(f"{root}/"):
            artifact.custom_properties[_DESTINATION].string_value = places.root + pushed.removeprefix(root)
        moved.append(artifact)
        before.add(root)
    if moved:
        store.put_artifacts(moved)
        _logger.info("this root was %s: %d artifacts are now looked for here", ", ".join(sorted(before)), len(moved))
