"""Renders the templates of pages and of their sections."""

import os
from typing import Any

import jinja2
import markupsafe

from pipeline.report import shown as texts
from pipeline.report import words
from pipeline.report.figures import describe_figure

_HERE = os.path.dirname(os.path.abspath(__file__))


def render(template_path: str, **shown: Any) -> markupsafe.Markup:
    """Returns what a template makes of values.

    Args:
      template_path: The template. It may import `macros.html.jinja` and extend `base.html.jinja`, which lie here.
      shown: Its variables. They are escaped unless they are markup, and no character of them is invisible. What users bring
        also takes one of the filters `shown`, `prose` and `visible`, so that it turns nothing around.
    """
    folder, name = os.path.split(os.path.abspath(template_path))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=texts.plain,
    )
    for show in (
        words.number,
        words.percent,
        words.probability,
        words.seconds,
        words.moment,
        texts.shown,
        texts.prose,
        texts.visible,
        texts.code_points,
        texts.setting,
        texts.direction,
        describe_figure,
    ):
        environment.filters[show.__name__] = show
    return markupsafe.Markup(environment.get_template(name).render(**shown))


def render_page(name: str, **shown: Any) -> markupsafe.Markup:
    """Returns what one of the templates here makes of values, see `render`."""
    return render(os.path.join(_HERE, name), **shown)
