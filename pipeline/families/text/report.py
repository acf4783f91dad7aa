"""The sections of a report on a language model: hardest passages, generated text."""

import os
from typing import TYPE_CHECKING

from pipeline.families.family import Section
from pipeline.report.render import render

if TYPE_CHECKING:
    from pipeline.report.contents import Contents

_HERE = os.path.dirname(os.path.abspath(__file__))


def text_sections(contents: "Contents") -> list[Section]:
    """Returns the sections that a run has got to."""
    sections = []
    if contents.evaluation:
        worst = contents.evaluation.mistakes.get("worst", [])
        html = render(
            os.path.join(_HERE, "passages.html.jinja"),
            worst=worst,
            lacking=contents.evaluation.mistakes.get("unsayable"),
            examples=contents.evaluation.slices[0].examples,
        )
        sections.append(Section("mistakes", "Hardest passages", html))
    if contents.samples:
        html = render(os.path.join(_HERE, "samples.html.jinja"), samples=contents.samples)
        sections.append(Section("samples", "Generated text", html))
    return sections
