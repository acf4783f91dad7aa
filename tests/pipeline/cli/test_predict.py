"""`charseq predict` about files, with tiny models: real processes where they are killed, have a server or pipes."""

import io
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from charseq_client import Client
from pipeline.cli import main
from tests.pipeline.cli.tables import read_csv
from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.test_full_disk import mounted
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


def check_sums(rows, count=3_000):
    assert [row["note"].split(",")[0] for row in rows] == [str(number) for number in range(count)]
    for row in rows:
        first, _, second = row["raw"].partition("+")
        assert int(row["text"]) == int(first) + int(second)
        assert float(row["log_prob"]) == pytest.approx(-1.0861, abs=1e-3)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
def test_every_format_is_written_with_the_columns_of_the_input(ask, models, sums, tmp_path, ending):
    output = tmp_path / f"answers.{ending}"
    where = ("--model-dir", models / "sums")
    result = ask("--input", sums, "--column", "raw", "--output", output, *where)
    assert result.exit_code == 0, result.stderr
    assert "3,000 rows" in result.stderr
    assert os.listdir(tmp_path) == [output.name]  # no journal, no part
    # Read back by asking about the answers once more: what is written is what can be read.
    again = ask("--input", output, "--column", "raw", "--keep", "note", "--keep", "text", *where)
    rows = read_csv(again.stdout)
    assert [row["text"] for row in rows] == [row["predicted_text"] for row in rows]
    check_sums(rows)
    if ending == "parquet":
        assert pq.read_schema(output).field("log_prob").type == pa.float32()


def test_a_server_gives_the_answers_of_the_folder(ask, models, server, sums):
    shared = ("--input", sums, "--column", "raw", "--with-version")
    here = ask(*shared, "--model-dir", models / "sums")
    there = ask(*shared, "--server", server, "--model", "sums")
    assert there.exit_code == 0, there.stderr
    assert there.stdout == here.stdout
    rows = read_csv(there.stdout)
    check_sums(rows)
    assert {row["version"] for row in rows} == {"1"}


def test_a_server_that_takes_few_rows_gets_few(ask, models, sums, tmp_path):
    with running_server(tmp_path, f"--serving_dir={models}", "--max_request_rows=100") as server:
        result = ask("--input", sums, "--column", "raw", "--server", server.target, "--model", "sums")
    assert result.exit_code == 0, result.stderr
    check_sums(read_csv(result.stdout))


@pytest.mark.parametrize(("name", "content"), [("a.csv", "raw\n"), ("a.tsv", ""), ("a.jsonl", ""), ("a.parquet", None)])
def test_a_file_without_rows_gives_one_without_rows(ask, models, tmp_path, name, content):
    path = tmp_path / name
    if content is None:
        pq.write_table(pa.table({"raw": pa.array([], pa.string())}), path)
    else:
        path.write_text(content)
    result = ask("--input", path, "--column", "raw", "--model-dir", models / "sums")
    assert result.exit_code == 0, result.stderr
    assert read_csv(result.stdout) == []
    assert result.stdout.endswith("text,log_prob\n")


def test_a_file_of_the_user_is_not_taken_for_a_journal(ask, models, sums, tmp_path):
    own = tmp_path / "answers.csv.progress"
    own.write_text("my notes\n")
    result = ask(
        "--input", sums, "--column", "raw", "--model-dir", models / "sums", "--output", tmp_path / "answers.csv"
    )
    assert result.exit_code == 2
    assert "is not a journal" in result.stderr
    assert own.read_text() == "my notes\n"


def test_standard_input_and_output(models):
    command = [CHARSEQ, "predict", "--input", "-", "--column", "1", "--model-dir", models / "sums", "--format", "jsonl"]
    done = subprocess.run(command, input="1+2\n30+4\n", capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["column_1"], row["text"]) for row in rows] == [("1+2", "3"), ("30+4", "34")]


def test_parquet_goes_through_a_pipe(models):
    command = [
        CHARSEQ,
        "predict",
        "--input",
        "-",
        "--column",
        "q",
        "--model-dir",
        models / "sums",
        "--format",
        "parquet",
    ]
    table = io.BytesIO()
    pq.write_table(pa.table({"q": ["1+2"], "n": [7]}), table)
    done = subprocess.run(command, input=table.getvalue(), capture_output=True, check=True)
    (row,) = pq.read_table(io.BytesIO(done.stdout)).to_pylist()
    assert (row["q"], row["n"], row["text"]) == ("1+2", "7", "3")


@pytest.fixture
def bad_rows(tmp_path):
    """Sums with two rows that no model can answer, and one that cannot be read."""
    path = tmp_path / "bad.csv"
    lines = [f"{number},1+{number}" for number in range(40)]
    lines[3], lines[20], lines[30] = "3,one", "20,1+1,too,many", "30,"
    path.write_text("note,raw\n" + "\n".join(lines) + "\n")
    return path


def test_a_bad_row_stops_with_its_file_line_and_reason(ask, models, bad_rows, tmp_path):
    output = tmp_path / "answers.csv"
    shared = ("--input", bad_rows, "--column", "raw", "--model-dir", models / "sums", "--output", output)
    result = ask(*shared)
    assert result.exit_code == 2
    assert f"{bad_rows}, line 5: column 'raw': `one` is no sum" in result.stderr
    assert not output.exists()
    # What was asked so far is not asked again.
    result = ask(*shared, "--on-error", "skip")
    assert result.exit_code == 0
    assert "going on behind" in result.stderr


def test_bad_rows_are_skipped_or_marked(ask, models, server, bad_rows):
    shared = ("--input", bad_rows, "--column", "raw")
    skipped = ask(*shared, "--model-dir", models / "sums", "--on-error", "skip")
    assert skipped.exit_code == 0
    assert len(read_csv(skipped.stdout)) == 37
    for line in (5, 22, 32):
        assert f"{bad_rows}, line {line}: " in skipped.stderr
    marked = read_csv(ask(*shared, "--server", server, "--model", "sums", "--on-error", "mark").stdout)
    assert len(marked) == 40
    assert [number for number, row in enumerate(marked) if row["error"]] == [3, 20, 30]
    assert f"{bad_rows}, line 22: " in marked[20]["error"]
    assert marked[3]["raw"] == "one"
    assert marked[3]["text"] == marked[20]["raw"] == ""
    assert [row["text"] for row in marked if not row["error"]] == [row["text"] for row in read_csv(skipped.stdout)]


def test_the_summary_is_one_json_object(ask, models, bad_rows, tmp_path):
    output = tmp_path / "answers.jsonl"
    shared = ("--input", bad_rows, "--column", "raw", "--model-dir", models / "sums", "--output", output)
    summary = ask(*shared, "--on-error", "skip", "--json")
    summary = json.loads(summary.stdout)
    assert (summary["rows"], summary["bad"], summary["output"]) == (40, 3, str(output))
    assert summary["bad_rows"][0]["line"] == 5


def test_a_signature_with_two_inputs_takes_two_columns(ask, models, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("q\ta\n1+2\t3\n10+2\t12\n")
    shared = ("--input", path, "--model-dir", models / "sums", "--signature", "score")
    result = ask(*shared, "--column", "text=q", "--column", "target=a", "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["characters"] for row in rows] == [1, 2]
    assert "character_log_prob" not in rows[0]  # several values a row
    result = ask(*shared, "--column", "q")
    assert result.exit_code == 2
    assert "--column target=COLUMN" in result.stderr


def test_a_text_model_continues_each_row(ask, models, tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": ""}\n{"prompt": "ab"}\n')
    shared = ("--input", path, "--column", "prompt", "--model-dir", models / "text")
    rows = read_csv(ask(*shared, "--length", "3").stdout)
    assert [row["text"] for row in rows] == ["abc", "cde"]


def test_the_likeliest_answers_are_printed_with_their_probabilities(ask, models, server):
    for where in (("--model-dir", models / "many"), ("--server", server, "--model", "many")):
        assert ask("--nbest", 2, "ab", *where).stdout == "0.5000  ab\n0.2500  abab\n"
        several = ask("--nbest", 2, "ab", "c", *where)
        assert several.stdout == "ab\n0.5000  ab\n0.2500  abab\nc\n0.5000  c\n"
        (row,) = json.loads(ask("--nbest", 2, "ab", *where, "--json").stdout)["predictions"]
        assert [answer["output"] for answer in row["answers"]] == ["ab", "abab"]
    for where in (("--model-dir", models / "sums"), ("--server", server, "--model", "sums")):
        result = ask("--nbest", 2, "1+2", *where)
        assert result.exit_code == 2
        assert "no signature 'nbest'; it has score, serving_default" in result.stderr


def test_the_rows_of_a_file_get_several_answers(ask, models, server, tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("word\nab\nc\n")
    for where in (("--model-dir", models / "many"), ("--server", server, "--model", "many")):
        result = ask("--nbest", 3, "--input", path, "--column", "word", *where)
        assert result.exit_code == 0, result.stderr
        rows = read_csv(result.stdout)
        assert list(rows[0]) == ["word", *(f"{name}_{n}" for n in (1, 2, 3) for name in ("text", "log_prob"))]
        assert [row["text_1"] for row in rows] == ["ab", "c"]
        assert (rows[0]["text_2"], rows[1]["text_2"]) == ("abab", "")
        assert (float(rows[0]["log_prob_1"]), rows[1]["log_prob_2"]) == (pytest.approx(math.log(0.5)), "")
    result = ask("--nbest", 2, "--input", path, "--column", "word", "--model-dir", models / "sums")
    assert result.exit_code == 2
    assert "no signature 'nbest'" in result.stderr
    result = ask(
        "--nbest", 2, "--signature", "score", "--input", path, "--column", "word", "--model-dir", models / "sums"
    )
    assert result.exit_code == 2
    assert "does not give several answers to a row" in result.stderr


def test_a_system_that_does_not_say_which_processors_are_free_is_no_obstacle(ask, models, server, sums, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS has none
    for where in (("--model-dir", models / "sums"), ("--server", server, "--model", "sums")):
        result = ask("--input", sums, "--column", "raw", *where)
        assert result.exit_code == 0, result.stderr
        check_sums(read_csv(result.stdout))


def test_texts_are_answered_without_a_server(ask, models):
    assert ask("1+2", "30+4", "--model-dir", models / "sums").stdout == "3\n34\n"
    assert ask("1+2", "--model-dir", models / "sums" / "1").stdout == "3\n"
    result = ask("1+2", "--model-dir", models)
    assert result.exit_code == 2
    assert "no versions of one; it has the folders many; shout; sums; text" in result.stderr
    result = ask("one", "--model-dir", models / "sums")
    assert result.exit_code == 2
    assert "`one` is no sum" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--column", "nothing"], "there is no column 'nothing'"),
        (["--column", "raw", "--signature", "no"], "no signature 'no'; it has score, serving_default"),
        (["--column", "raw", "--length", "3"], "has no input for --length"),
        (["--column", "raw", "--output", "a.xlsx"], ".csv, .tsv, .jsonl or .parquet"),
        (["--column", "raw", "--version", "7"], "has no version 7; it has 1"),
        ([], "--column"),
    ],
)
def test_what_cannot_be_asked_ends_with_a_reason(ask, models, sums, tmp_path, arguments, said):
    result = ask("--input", sums, "--model-dir", models / "sums", *arguments, cwd=tmp_path)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("ending", "kills"),
    [("csv", 3), pytest.param("csv", 10, marks=pytest.mark.slow), pytest.param("parquet", 5, marks=pytest.mark.slow)],
)
def test_killed_at_any_moment_and_resumed_the_bytes_are_those_of_an_undisturbed_run(models, tmp_path, ending, kills):
    path = tmp_path / "many.csv"
    with path.open("w") as file:
        file.write("note,raw\n")
        # A bad row in every thousand: kills meet the halving of requests too.
        file.writelines(f"{n},{'x' if n % 1000 == 500 else f'{n % 97}+{n % 89}'}\n" for n in range(12_000 * kills))
    shared = [
        CHARSEQ,
        "predict",
        "--input",
        path,
        "--column",
        "raw",
        "--model-dir",
        models / "sums",
        "--on-error",
        "mark",
    ]
    whole, output = tmp_path / f"whole.{ending}", tmp_path / f"killed.{ending}"
    subprocess.run([*shared, "--output", whole], check=True, capture_output=True)
    journal = tmp_path / f"killed.{ending}.progress"
    sizes = []
    for more in (1, 30_000, 100_000, 300_000, 500_000, 10_000, 700_000, 2, 200_000, 400_000)[:kills]:
        process = subprocess.Popen([*shared, "--output", output], stderr=subprocess.PIPE)
        target = (sizes[-1] if sizes else 0) + more
        while process.poll() is None and not (journal.exists() and journal.stat().st_size >= target):
            time.sleep(0.001)
        process.kill()
        process.communicate()
        if output.exists():
            break
        sizes.append(journal.stat().st_size)
    assert len(sizes) >= kills - 2, "the kills came too late to show anything"
    with journal.open("ab") as file:
        file.write(b"half a frame")  # as a kill within a write leaves
    done = subprocess.run([*shared, "--output", output], check=True, capture_output=True, text=True)
    assert "going on behind" in done.stderr
    assert output.read_bytes() == whole.read_bytes()
    assert not journal.exists()


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_a_disk_that_gets_full_is_a_line_and_the_same_command_goes_on(models, sums, tmp_path, ending):
    def ask(output):
        arguments = ["predict", "--input", sums, "--column", "raw", "--model-dir", models / "sums", "--output", output]
        return CliRunner().invoke(main, [*map(str, arguments)])

    whole = tmp_path / f"whole.{ending}"
    assert ask(whole).exit_code == 0
    disk = tmp_path / "disk"
    disk.mkdir()
    output = disk / f"answers.{ending}"
    at_the_answers = 0
    with mounted(disk, "4k"):
        # Too small for the first chunk, then for the journal, then for the answers beside the whole journal.
        for size in itertools.count(4, 12):
            subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
            result = ask(output)
            if output.exists():
                break
            assert result.exit_code == 1, result.output
            *_, line = result.stderr.splitlines()
            assert line.startswith(f"Error: {output}"), line
            assert "No space left on device" in line
            assert "Traceback" not in result.stderr
            at_the_answers += ".progress" not in line
        assert size > 64
        assert at_the_answers
        assert result.exit_code == 0, result.output
        assert "going on behind" in result.stderr
        assert output.read_bytes() == whole.read_bytes()
        assert not (disk / f"{output.name}.progress").exists()


def test_a_journal_of_another_job_is_refused_unless_told(ask, models, sums, tmp_path):
    output = tmp_path / "answers.csv"
    shared = ("--input", sums, "--column", "raw", "--output", output)
    first = subprocess.Popen(
        [CHARSEQ, "predict", *map(str, shared), "--model-dir", models / "sums"], stderr=subprocess.DEVNULL
    )
    journal = tmp_path / "answers.csv.progress"
    while first.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.001)
    first.kill()
    first.wait()
    if not journal.exists():
        pytest.skip("the command was done before it could be killed")
    result = ask(*shared, "--model-dir", models / "shout", "--version", "1")
    assert result.exit_code == 2
    assert "differs from this one in model" in result.stderr
    result = ask(*shared, "--model-dir", models / "shout", "--version", "1", "--restart")
    assert result.exit_code == 0, result.stderr
    assert read_csv(output.read_text())[0]["text"].startswith("1:")


def test_each_row_says_which_version_answered_when_one_is_replaced(models, tmp_path):
    from tests.serving.saved_models import save_shout

    folder = tmp_path / "serving"
    save_shout(folder / "shout" / "1", 1)
    path = tmp_path / "many.csv"
    path.write_text("raw\n" + "".join(f"{n}\n" for n in range(200_000)))
    output = tmp_path / "answers.csv"
    flags = (f"--serving_dir={folder}", "--file_system_poll_wait_seconds=0.05")
    with running_server(tmp_path, *flags) as server:
        command = [CHARSEQ, "predict", "--input", path, "--column", "raw", "--with-version", "--requests", "2"]
        command += ["--server", server.target, "--model", "shout", "--output", output]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        journal = tmp_path / "answers.csv.progress"
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 10_000):
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        shutil.copytree(models / "shout" / "2", folder / ".new")
        (folder / ".new").rename(folder / "shout" / "2")
        with Client(server.target) as client:
            client.wait_until_available("shout", version=2, timeout=60)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    rows = read_csv(output.read_text())
    assert [row["raw"] for row in rows] == [str(n) for n in range(200_000)]
    assert {row["version"] for row in rows} == {"1", "2"}
    assert all(row["text"].startswith(f"{row['version']}:") for row in rows)
