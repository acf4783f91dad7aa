"""Every setting is documented once, beside its field, and docs/settings.md is made from there."""

from pathlib import Path

from pipeline.config.reference import list_settings, settings_page
from pipeline.families import list_families


def test_every_setting_has_a_reason_and_values():
    for family in list_families():
        for setting in list_settings(family):
            assert setting.reason.strip(), setting
            assert setting.kind, setting


def test_the_page_is_what_the_docstrings_say():
    page = Path(__file__).parents[3] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(list_families()), (
        "make it anew: charseq settings --markdown"
    )
