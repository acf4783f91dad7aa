"""The command line: what it prints, its exit statuses, and what it imports."""

import json
import os
import subprocess
import sys
import textwrap
import tomllib

import pytest

from pipeline.cli.options import print_json

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["tasks"],
        ["report"],
        ["runs"],
        ["runs", "show"],
        ["tensorboard"],
        ["serve"],
        ["predict"],
        ["models"],
        ["promote"],
        ["rollback"],
    ],
)
def test_every_command_has_help_with_an_example(charseq, command):
    result = charseq(*command, "--help")
    assert result.status == 0
    assert "Example:" in result.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["tasks"]], ids=["help", "tasks"])
def test_help_and_tasks_import_no_tensorflow(arguments):
    program = """
        import sys
        from pipeline.cli import main
        main(sys.argv[1:], standalone_mode=False)
        assert "tensorflow" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), *arguments], check=True)


def test_tasks_are_listed_the_default_first(charseq):
    assert list(charseq("tasks", "--json").json["tasks"]) == [
        "sums",
        "sums-3-digits",
        "sums-5-digits",
        "sums-simple-rnn",
        "sums-lstm",
        "text",
        "text-long",
        "text-lstm",
        "text-lstm-dropout",
        "pairs",
        "g2p",
        "cmudict",
        "dates",
        "milk",
    ]
    assert charseq("tasks").stdout.startswith("sums ")


def test_a_task_or_file_is_checked_and_printed_as_a_file(charseq, tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "sums-3-digits"\n[train]\nepochs = 5\n')
    printed = charseq("tasks", "mine.toml", "--set", "units=9", cwd=tmp_path)
    assert printed.status == 0
    assert tomllib.loads(printed.stdout)["train"] | {"epochs": 5, "units": 9} == tomllib.loads(printed.stdout)["train"]
    assert charseq("tasks", "mine.toml", "--json", cwd=tmp_path).json["data"]["largest"] == 999


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tasks", "sum"], "there is no task 'sum'; did you mean 'sums'?"),
        (["run", "sum"], "there is no task 'sum'; did you mean 'sums'?"),
        (["run", "--set", "train.epochs=x"], "'x' is not a whole number"),
        (["run", "--set", "data.count=10001"], "10,001 distinct examples, but 2 terms of 1 to 100 make only 10,000"),
        (["run", "nothing.toml"], "there is no task file nothing.toml"),
        (["run", "pairs"], "data.files is empty"),
        (
            ["run", "pairs", "--set", "data.files=none*.tsv", "--root", "/tmp/charseq-unused"],
            "no file matches 'none*.tsv'",
        ),
        (["serve", "--serving-dir", "/nowhere/at/all"], "there is no folder /nowhere/at/all"),
        (["runs"], "there is no run in"),
        (["runs", "show", "1"], "make one with charseq run"),
        (["report", "1", "2", "--root", "elsewhere"], "elsewhere: make one with charseq run"),
        (["tensorboard"], "there is no run in"),
    ],
)
def test_bad_input_is_one_line_and_status_2(charseq, arguments, said, tmp_path):
    result = charseq(*arguments, cwd=tmp_path)
    assert result.status == 2
    assert result.stdout == ""
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    assert said in line
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["run", "--sett", "a=b"],
        ["report", "1", "2", "3"],
        ["runs", "--last", "0"],
        ["predict", "1+1", "--version", "x"],
        ["fly"],
    ],
)
def test_bad_usage_is_status_2(charseq, arguments):
    assert charseq(*arguments).status == 2


def test_without_a_server_predict_says_so(charseq):
    result = charseq("predict", "1+1", "--server", "127.0.0.1:1", "--timeout", "2")
    assert result.status == 1
    assert "charseq serve" in result.stderr


def test_json_has_no_number_that_json_lacks(capsys):
    print_json({"metrics": {"bits": float("inf"), "match": 0.5}, "bounds": [float("nan"), 1]})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "metrics": {"bits": None, "match": 0.5},
        "bounds": [None, 1],
    }
