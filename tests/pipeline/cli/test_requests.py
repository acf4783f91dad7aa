"""`charseq requests`: logged requests as a table, and beside the training data."""

import csv
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from charseq_client.arrays import to_proto
from charseq_client.messages import prediction_log_pb2
from components.infra_validator.request_statistics import describe_requests
from data.series.histories import read_histories
from pipeline.cli import main
from serving.contract.layout import REQUEST_STATISTICS_PATH
from serving.contract.tfrecord import frame_record

_FIRST = 1_800_000_000


def write_log(
    path: Path, requests: Iterable[dict[str, Any]], model: str = "names", outputs: dict[str, Any] | None = None
) -> Path:
    """Writes a log as a server does, with the given inputs and answers."""
    with path.open("wb") as file:
        for number, inputs in enumerate(requests):
            log = prediction_log_pb2.PredictionLog()
            log.log_metadata.timestamp_secs = _FIRST + number
            spec = log.predict_log.response.model_spec
            spec.name, spec.version.value, spec.signature_name = model, 7, "serving_default"
            for name, values in inputs.items():
                log.predict_log.request.inputs[name].CopyFrom(to_proto(name, values))
            texts = next(iter(inputs.values()))
            answers = outputs or {"text": [f"<{text}>" for text in texts], "log_prob": [-0.5] * len(texts)}
            for name, values in answers.items():
                log.predict_log.response.outputs[name].CopyFrom(to_proto(name, values))
            file.write(frame_record(log.SerializeToString()))
    return path


def version_trained_on(folder: Path, requests: Iterable[dict[str, Any]]) -> Path:
    """A version's folder with the statistics of its training data."""
    version = folder / "names" / "7"
    (version / "assets.extra").mkdir(parents=True)
    (version / "saved_model.pb").touch()
    described = describe_requests([{k: np.asarray(_bytes(v)) for k, v in inputs.items()} for inputs in requests])
    (version / REQUEST_STATISTICS_PATH).write_bytes(described.SerializeToString())
    return version


def _bytes(values: Any) -> Any:
    if isinstance(values[0], str):
        array = np.empty(len(values), object)
        array[:] = [value.encode() for value in values]
        return array
    return values


def _words(seed: int, count: int, alphabet: str = "abcde", longest: int = 8) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [{"text": ["".join(chance.choices(alphabet, k=chance.randint(1, longest)))]} for _ in range(count)]


def run(*arguments: Any) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["requests", *map(str, arguments)])
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return version_trained_on(tmp_path_factory.mktemp("trained"), _words(1, 2000))


def compare(log: Path, version: Path, *arguments: Any) -> tuple[int, Any]:
    status, output = run("compare", log, "--model-dir", version, "--json", *arguments)
    return status, json.loads(output.splitlines()[-1])


def test_a_row_of_a_request_is_a_row_of_the_table(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", [{"text": ["a", 'quoted ", \n']}, {"text": ["é"]}])

    status, output = run("table", log, "--output", tmp_path / "table.csv", "--json")

    assert status == 0
    assert json.loads(output)["rows"] == 3
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == ["a", 'quoted ", \n', "é"]
    assert [row["predicted_text"] for row in rows] == ["<a>", '<quoted ", \n>', "<é>"]
    assert rows[2] | {"text": "", "predicted_text": ""} == {
        "text": "",
        "predicted_text": "",
        "log_prob": "-0.5",
        "model": "names",
        "version": "7",
        "time": "2027-01-15T08:00:01+00:00",
    }


def test_histories_and_forecasts_are_lists_that_predict_reads(tmp_path: Path) -> None:
    requests = [{"history": np.array([[1.1, 2, 3], [4, 5, 6]], np.float32)}]
    answers = {"forecast": np.array([[7], [8]], np.float32)}
    log = write_log(tmp_path / "log", requests, model="milk", outputs=answers)
    assert run("table", log, "--output", tmp_path / "table.jsonl")[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "table.jsonl").read_text().splitlines()]
    assert [(row["history"], row["forecast"]) for row in rows] == [
        ("[1.1, 2.0, 3.0]", "[7.0]"),
        ("[4.0, 5.0, 6.0]", "[8.0]"),
    ]
    values, reasons = read_histories([row["history"] for row in rows], 3)
    np.testing.assert_array_equal(values, requests[0]["history"])
    assert reasons == [None, None]


def test_charseq_new_reads_the_table(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", _words(1, 300))
    assert run("table", log, "--output", tmp_path / "table.parquet")[0] == 0

    data = [
        "--data",
        str(tmp_path / "table.parquet"),
        "--set",
        "data.input=text",
        "--set",
        "data.target=predicted_text",
    ]
    with CliRunner().isolated_filesystem(tmp_path):
        result = CliRunner().invoke(main, ["new", "names", "--family", "pairs", *data])

    assert result.exit_code == 0, result.output


def test_settings_of_a_text_are_columns_too_and_one_value_stands_for_every_row(tmp_path: Path) -> None:
    request = {"prompt": ["a", "b"], "length": np.array([5], np.int32), "seed": np.array([1, 2])}
    log = write_log(tmp_path / "log", [request], outputs={"text": ["x", "y"]})

    run("table", log, "--output", tmp_path / "table.jsonl")

    rows = [json.loads(line) for line in (tmp_path / "table.jsonl").read_text().splitlines()]
    assert [(row["prompt"], row["length"], row["seed"], row["text"]) for row in rows] == [
        ("a", 5, 1, "x"),
        ("b", 5, 2, "y"),
    ]


def test_a_log_of_two_models_asks_for_one(tmp_path: Path) -> None:
    write_log(tmp_path / "a", _words(1, 2), "a")
    write_log(tmp_path / "b", _words(1, 3), "b")

    status, output = run("table", tmp_path / "a", tmp_path / "b", "--output", tmp_path / "t.csv")
    assert (status, "the log has the models a, b; name one with --model" in output) == (2, True)
    assert run("table", tmp_path / "a", tmp_path / "b", "--model", "b", "--output", tmp_path / "t.csv")[0] == 0
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + 3
    status, output = run("table", tmp_path / "a", "--signature", "score", "--output", tmp_path / "u.csv")
    assert (status, "there are 2 of a (serving_default)" in output) == (2, True)
    assert not (tmp_path / "u.csv").exists()


@pytest.mark.parametrize("content", [b"no log at all, but text", frame_record(b"\xff\xff\xff")])
def test_a_file_that_is_no_log_is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log").write_bytes(content)

    assert run("table", tmp_path / "log", "--output", tmp_path / "t.csv")[0] == 2
    assert run("table", tmp_path / "none", "--output", tmp_path / "t.csv")[0] == 2


def test_requests_like_the_training_data_are_within_the_bounds(tmp_path: Path, trained: Path) -> None:
    status, found = compare(write_log(tmp_path / "log", _words(2, 500)), trained)

    assert status == 0
    assert (found["requests"], found["rows"], found["exceeded"]) == (500, 500, False)
    assert {part["feature"] for part in found["differences"]} == {"text_length", "text_characters"}
    assert all(part["divergence"] < 0.02 for part in found["differences"])
    assert found["new_characters"] == []


@pytest.mark.parametrize("longest", [3, 8, 60, 2_000])
def test_a_longest_text_that_only_training_had_is_no_change(tmp_path: Path, longest: int) -> None:
    # Histograms between the least and the greatest number of each side would not fit together.
    version = version_trained_on(tmp_path, [*_words(1, 2000, longest=longest), {"text": ["a" * (longest + 1)]}])

    status, found = compare(write_log(tmp_path / "log", _words(2, 500, longest=longest)), version)
    assert status == 0, found["differences"]


def test_longer_requests_are_said_in_words(tmp_path: Path, trained: Path) -> None:
    log = write_log(tmp_path / "log", _words(2, 500, longest=30))

    status, found = compare(log, trained)
    by_feature = {part["feature"]: part for part in found["differences"]}
    assert status == 1
    assert by_feature["text_length"]["exceeded"]
    assert not by_feature["text_characters"]["exceeded"]
    assert by_feature["text_length"]["words"].startswith("lengths of text: 1 to 8, mean 4.")
    assert compare(log, trained, "--max-divergence", "1")[0] == 0
    assert "above the bound of 0.1" in run("compare", log, "--model-dir", trained)[1]


def test_other_shares_of_characters_are_said_in_words(tmp_path: Path, trained: Path) -> None:
    status, found = compare(write_log(tmp_path / "log", _words(2, 500, "aaaaaaaaaaaab")), trained)

    (characters,) = (part for part in found["differences"] if part["feature"] == "text_characters")
    assert status == 1
    assert characters["exceeded"]
    assert "'a' U+0061 LATIN SMALL LETTER A 20." in characters["words"]


def test_new_characters_are_named_and_counted_in_every_row(tmp_path: Path, trained: Path) -> None:
    requests = [*_words(2, 400), *[{"text": ["ab\u200b", "é"]}] * 3]
    log = write_log(tmp_path / "log", requests)

    status, found = compare(log, trained)
    (new,) = found["new_characters"]
    assert status == 1
    assert new["characters"] == {"\u200b": 3, "é": 3}
    assert (new["rows"], new["share"]) == (6, 6 / 406)
    assert compare(log, trained, "--max-new", "0.05")[0] == 0
    shown = run("compare", log, "--model-dir", trained)[1]
    assert "U+200B ZERO WIDTH SPACE in 3, 'é' U+00E9 LATIN SMALL LETTER E WITH ACUTE in 3" in shown
    assert "\u200b" not in shown


def test_upper_case_is_not_new_to_a_model_that_was_trained_in_lower_case(tmp_path: Path, trained: Path) -> None:
    requests = [{"text": [text.upper() for text in request["text"]]} for request in _words(2, 500)]

    assert compare(write_log(tmp_path / "log", requests), trained)[0] == 0


def test_prompts_of_any_length_are_compared_by_their_characters_alone(tmp_path: Path) -> None:
    def prompts(seed: int, longest: int) -> list[dict[str, Any]]:
        words = _words(seed, 500, longest=longest)
        return [{"prompt": request["text"], "length": np.array([20], np.int32)} for request in words]

    version = version_trained_on(tmp_path, prompts(1, 40))
    status, found = compare(write_log(tmp_path / "log", prompts(2, 5), outputs={"text": ["x"]}), version)

    assert status == 0
    assert [part["feature"] for part in found["differences"]] == ["prompt_characters"]


def test_the_values_of_a_series_are_compared(tmp_path: Path) -> None:
    def series(seed: int, level: float) -> list[dict[str, Any]]:
        chance = np.random.default_rng(seed)
        return [{"history": chance.normal(level, 1, (1, 24)).astype(np.float32)} for _ in range(200)]

    version = version_trained_on(tmp_path, series(1, 0))
    answers = {"forecast": np.zeros((1, 12), np.float32)}
    assert compare(write_log(tmp_path / "same", series(2, 0), outputs=answers), version)[0] == 0
    status, found = compare(write_log(tmp_path / "other", series(3, 5), outputs=answers), version)
    assert status == 1
    assert found["differences"][0]["words"].startswith("values of history: ")


def test_too_few_requests_and_a_version_without_statistics_are_bad_input(tmp_path: Path, trained: Path) -> None:
    log = write_log(tmp_path / "log", _words(2, 20))
    status, output = run("compare", log, "--model-dir", trained)
    assert (status, "the log has 20 rows" in output) == (2, True)

    (tmp_path / "old" / "1").mkdir(parents=True)
    (tmp_path / "old" / "1" / "saved_model.pb").touch()
    status, output = run("compare", log, "--model-dir", tmp_path / "old")
    assert (status, "an earlier release pushed it" in output) == (2, True)
