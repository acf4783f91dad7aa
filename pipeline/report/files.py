"""The files of the pages: one that shows more than what can be read now is not overwritten."""

import dataclasses
import os
import re
from collections.abc import Collection

from data.whole_files import write_whole
from pipeline.places import Places
from pipeline.report.contents import GONE, Missing

# In the page's head, so that a later page knows what this one shows.
_PARTS = re.compile(r'<meta name="charseq-parts" content="([^"]*)">')

# The head is far shorter.
_HEAD = 1 << 16


@dataclasses.dataclass(frozen=True)
class Written:
    """A page, and what is to be said about it.

    Attributes:
      path: The page that shows most.
      beside: A page of what can be read now, if `path` is an earlier page that shows more; otherwise empty.
      missing: Artifacts that are gone or cannot be read.
    """

    path: str
    beside: str
    missing: list[Missing]

    @property
    def notes(self) -> list[str]:
        """What a user has to know, a sentence each."""
        gone = [missing for missing in self.missing if missing.why == GONE]
        lines = [f"{missing.name} {missing.why}: {missing.path}" for missing in self.missing if missing.why != GONE]
        if gone:
            names, folder = ", ".join(missing.name for missing in gone), os.path.commonpath([m.path for m in gone])
            lines.append(f"artifacts of the run are gone: {names}, of {folder}")
        if self.beside:
            lines.append(
                f"the report that was there shows more than what can be read now, and is kept; what can be read now is in "
                f"{self.beside}"
            )
        return lines


def write_page(path: str, page: str, parts: Collection[str], missing: list[Missing]) -> Written:
    """Writes a page, beside the one that is there if that one shows more.

    Args:
      path: Where the page belongs.
      page: The page, with `parts` in its head.
      parts: Names of what it shows.
      missing: Artifacts that it does not show and that the run made.

    Raises:
      OSError: It cannot be written. What was there is as it was.
    """
    if _is_fuller(path, set(parts), missing):
        name, ending = os.path.splitext(path)
        incomplete = f"{name}-incomplete{ending}"
        write_whole(incomplete, page.encode())
        return Written(path, incomplete, missing)
    write_whole(path, page.encode())
    return Written(path, "", missing)


def comparison_path(places: Places, numbers: tuple[int, int]) -> str:
    """Returns where the page of two runs belongs."""
    return os.path.join(places.root, "reports", f"runs-{numbers[0]}-{numbers[1]}.html")


def _is_fuller(path: str, parts: set[str], missing: list[Missing]) -> bool:
    """Returns whether the page that is there shows something that the new one does not."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = _PARTS.search(file.read(_HEAD))
    except FileNotFoundError:
        return False
    # A page of an earlier version does not say what it shows.
    return not set(found[1].split()) <= parts if found else bool(missing)
