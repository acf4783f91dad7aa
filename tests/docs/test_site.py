"""The documentation as a site: it is built without a warning, needs nothing from elsewhere, and its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, markdown_files

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|\b(?:src|srcset)=\"([^\"]+)\"")
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.M | re.S)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed  # mkdocs.yml is strict: no warning is let through
    assert "WARNING" not in printed
    return folder


@pytest.mark.e2e
def test_the_site_has_a_page_for_every_file_and_a_search(site):
    assert (site / "search" / "search_index.json").stat().st_size > 100_000
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).exists(), page
    assert not [*site.rglob("*.py")]


@pytest.mark.e2e
def test_no_page_loads_anything_from_elsewhere(site):
    loads = re.compile(
        r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href|srcset)=[\"']?((?:https?:)?//[^\"'\s>]+)"
    )
    found = {address for page in site.rglob("*.html") for address in loads.findall(page.read_text(encoding="utf-8"))}
    assert found == set()


def _anchors(path):
    """The anchors that GitHub gives the headings of a page."""
    text = _CODE.sub(lambda code: code[0] if "\n" not in code[0] else "", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(path):
    wrong = []
    for link in map("".join, _LINK.findall(_CODE.sub("", path.read_text(encoding="utf-8")))):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)
    assert not wrong


def test_the_folders_and_modules_that_the_pages_name_exist():
    named = re.compile(r"`((?:pipeline|components|serving|data|tests|k8s|examples|docs|benchmarks)/[\w./-]*)`")
    missing = set()
    for path in markdown_files():
        if path.name == "CHANGELOG.md":  # speaks of what was
            continue
        missing |= {
            f"{path.relative_to(ROOT)}: {name}"
            for name in named.findall(path.read_text(encoding="utf-8"))
            if not (ROOT / name).exists() and not (path.parent / name).exists()
        }
    assert missing == set()
