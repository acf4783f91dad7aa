"""Where Kubeflow's launcher keeps a pod's copies of artifacts.

It downloads inputs before a step's command runs and uploads outputs after it (backend/src/v2/component/launcher_v2.go of
kubeflow/pipelines, `LocalPathForURI`), so a step that reads and writes these paths needs no code for any object store.
"""

import os

_FOLDERS = {"gs://": "gcs", "s3://": "s3", "minio://": "minio"}


class ArtifactUriError(ValueError):
    """An artifact lies where the launcher keeps no copy of it."""

    kind = "artifact-uri"
    meaning = "An artifact of a step lies where the step has no copy of it."
    remedy = "Set the pipeline root to an address that Kubeflow's launcher supports."


class LocalPaths:
    """Maps artifact URIs to the launcher's copies, and back."""

    def __init__(self, root: str = "/"):
        """Makes a mapping.

        Args:
          root: Folder under which the copies lie: `/` in a pod.
        """
        self._root = os.path.abspath(root)

    def to_path(self, uri: str) -> str:
        """Returns where the copy of an artifact lies.

        Raises:
          ArtifactUriError: The launcher keeps none.
        """
        for scheme, folder in _FOLDERS.items():
            if uri.startswith(scheme):
                return os.path.join(self._root, folder, uri.removeprefix(scheme))
        raise ArtifactUriError(
            f"the artifact at {uri!r} has no copy in this pod: the launcher keeps copies of {', '.join(_FOLDERS)}; set "
            "the pipeline root to one of these"
        )

    def to_uri(self, path: str) -> str:
        """Returns the URI of a copy.

        Raises:
          ArtifactUriError: No copy lies there.
        """
        for scheme, folder in _FOLDERS.items():
            prefix = os.path.join(self._root, folder, "")
            if path.startswith(prefix):
                return scheme + path.removeprefix(prefix)
        raise ArtifactUriError(f"{path!r} lies outside the launcher's folders, so it would not be uploaded")
