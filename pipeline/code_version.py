"""Which code a run was made with."""

import hashlib
import importlib.metadata
import os
import subprocess

_CODE = ("pipeline", "components", "serving", "client", "data")


def code_version() -> dict[str, str]:
    """Returns `version`, of the package; where the code lies in a git checkout also `commit`, and if it has been changed
    since, `changes`: a hash of the differences, so that two runs with other changes are told apart.
    """
    found = {"version": importlib.metadata.version("charseq")}
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not os.path.exists(os.path.join(top, ".git")):
        return found
    try:
        commit = _git(top, "rev-parse", "HEAD").decode().strip()
        new = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE).split(b"\0")
        difference = hashlib.sha256(_git(top, "diff", "HEAD", "--", *_CODE))
    except (OSError, subprocess.SubprocessError):
        return found  # no git on this machine, or nothing committed
    unchanged = difference.hexdigest() == hashlib.sha256().hexdigest()
    for path in filter(None, new):
        unchanged = False
        with open(os.path.join(os.fsencode(top), path), "rb") as file:
            difference.update(path + b"\0" + file.read())
    return found | {"commit": commit} | ({} if unchanged else {"changes": difference.hexdigest()[:12]})


def describe_code(code: dict[str, str]) -> str:
    """Returns a code version in words, empty if it is not known."""
    if not code:
        return ""
    words = f"charseq {code['version']}"
    if "commit" in code:
        words += f", commit {code['commit'][:12]}"
    return f"{words}, changed since (differences {code['changes']})" if "changes" in code else words


def _git(top: str, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", "-C", top, *arguments],  # noqa: S607 (the user's own git)
        capture_output=True,
        check=True,
        timeout=10,
    ).stdout
