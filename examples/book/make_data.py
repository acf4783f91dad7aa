"""Writes texts/python.txt: the reference text that every CPython carries, so that the example needs no download.

python make_data.py [CHARACTERS]
"""

import pydoc_data.topics
import sys
from pathlib import Path


def main(characters: int | None = None) -> None:
    """Writes the text, or its beginning.

    Args:
      characters: How much of it; None is all.
    """
    text = "\n\n".join(pydoc_data.topics.topics.values())
    Path("texts").mkdir(exist_ok=True)
    Path("texts/python.txt").write_text(text[:characters], encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
