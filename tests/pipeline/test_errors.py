"""Every error that a user can meet has a kind, a cause and a remedy, and docs/errors.md is made from there."""

import ast
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.settings import SettingsError
from data.errors import TableError
from pipeline.cli import main
from pipeline.errors import errors_page, kind_of, list_errors
from pipeline.file_errors import DiskFullError

REPO = Path(__file__).parents[2]


def _public_errors():
    """Yields the dotted names of all classes of the product that end in `Error` and that are not private."""
    for package in ("components", "data", "pipeline", "serving", "client/charseq_client"):
        for path in (REPO / package).rglob("*.py"):
            module = ".".join(path.relative_to(REPO).with_suffix("").parts).removeprefix("client.")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and not node.name.startswith("_"):
                    yield f"{module}.{node.name}"


def test_the_page_is_made_from_the_classes():
    page = REPO / "docs" / "errors.md"
    assert page.read_text(encoding="utf-8") == errors_page(), (
        "make it again: .venv/bin/charseq errors --markdown > docs/errors.md"
    )


def test_every_public_error_is_listed_with_a_kind_of_its_own():
    errors = list_errors()
    assert {error.name for error in errors} == set(_public_errors())
    kinds = [error.kind for error in errors]
    assert sorted(set(kinds)) == sorted(kinds)
    for error in errors:
        assert error.cause.endswith(".")
        assert error.remedy.endswith(".")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SettingsError("x"), "setting"),
        (TableError("a.csv", "empty", "mend it", 3), "table"),
        (DiskFullError("x"), "disk-full"),
        (KeyError("x"), "internal"),
    ],
)
def test_the_kind_of_an_error(error, kind):
    assert kind_of(error) == kind


@pytest.mark.e2e
def test_the_command_lists_them(charseq):
    result = charseq("errors", "--json")
    assert (result.status, result.stderr) == (0, "")
    assert [error["kind"] for error in result.json["errors"]] == [error.kind for error in list_errors()]


def test_they_are_printed_for_people_and_for_the_docs():
    printed = CliRunner().invoke(main, ["errors"]).stdout
    (line,) = [line for line in printed.splitlines() if line.startswith("disk-full")]
    assert "status 1" in line
    assert CliRunner().invoke(main, ["errors", "--markdown"]).stdout == errors_page()
