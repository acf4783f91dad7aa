"""`charseq run text` and `charseq generate` end to end, with Greek, Chinese and emoji: real processes, and what came out."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.language_model import models  # noqa: F401 (Keras finds its layers)
from tests.browser import CHROMIUM
from tests.pipeline.conftest import serving
from tests.pipeline.report.pages import check_report

pytestmark = pytest.mark.e2e

PARTS = {
    "greek": "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.\r\n",
    "chinese": "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。\n寒來暑往，秋收冬藏。\n\n",
    "emoji": "so 🐀 and 🐈\u200d⬛ met 👩🏽\u200d🚀 on the 🌕…\n",
}
QUICK = tuple(
    part
    for setting in ("units=24", "train.epochs=2", "batch_size=8", "bits_per_character=9", "gate.beat_floor=false")
    for part in ("--set", setting)
)


def write_corpus(folder, *names):
    """A folder of two files, the second with a byte order mark."""
    folder.mkdir()
    text = "".join(PARTS[name] for name in names) * 60
    (folder / "a.txt").write_text(text, encoding="utf-8", newline="")
    (folder / "b.txt").write_text(text[::-1].replace("\r", ""), encoding="utf-8-sig", newline="")
    return folder


@pytest.fixture(scope="module")
def text_place(tmp_path_factory):
    return tmp_path_factory.mktemp("text runs")


@pytest.fixture(scope="module")
def text_run(charseq, text_place):
    corpus = write_corpus(text_place / "corpus", *PARTS)
    result = charseq("run", "text", "--json", "--root", text_place, "--set", f"corpus={corpus}", *QUICK)
    assert result.status == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def text_server(text_run, text_place):
    with serving(text_place / "serving") as address:
        yield address


def artifact(place, *parts):
    """The one artifact of a component's output."""
    (found,) = place.joinpath("artifacts", "text", *parts).iterdir()
    return found


def read_windows(examples):
    """Test windows in order: context and text."""
    paths = sorted(str(path) for path in (examples / "Split-test").iterdir())
    windows = []
    for record in tf.data.TFRecordDataset(paths, "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        context, text = (feature[name].bytes_list.value[0].decode() for name in ("context", "text"))
        windows.append((feature["position"].int64_list.value[0], context, text))
    return sorted(windows)


def test_a_run_says_how_many_bits_a_character_takes_beside_an_ngrams(charseq, text_run, text_place):
    metrics = text_run.json["metrics"]
    assert metrics["bits_per_character"] == pytest.approx(metrics["nats_per_character"] / np.log(2))
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["nats_per_character"]))
    for name in ("bits_per_character", "nats_per_character", "perplexity"):
        assert metrics[f"{name}_low"] < metrics[name] < metrics[f"{name}_high"]
    assert 0 < metrics["floor_bits_per_character"] < 9
    windows = read_windows(artifact(text_place, "TextExampleGen", "examples"))
    assert metrics["examples"] == len(windows)
    shown = charseq("runs", "show", text_run.json["run_id"], "--json", "--root", text_place).json["examples"]
    assert shown["data"]["test_characters"] == sum(len(text) for _, _, text in windows)
    assert shown["numbers"]["test"] == len(windows)
    report = Path(text_run.json["report"]).read_text()
    assert "the 5-gram model" in report
    assert "Temperature 0.5" in report
    assert "Hardest passages" in report


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on PATH: apt-get install chromium")
def test_the_report_shows_text_in_any_script_to_everyone(text_run):
    check_report(text_run.json["report"], "Bits per character")


def test_the_figure_is_that_of_a_plain_loop_over_every_character_once(text_run, text_place):
    model = keras.saving.load_model(artifact(text_place, "Trainer", "model_run") / "model.keras", compile=False)
    transform = artifact(text_place, "Transform", "transform_graph")
    lines = (transform / "transform_fn" / "assets" / "characters").read_text().split()
    index = {chr(int(line)): number for number, line in enumerate(lines, 1)}
    weights = {weight.path: np.asarray(weight) for weight in model.weights}
    embedding, table, kernel, recurrent, bias, output, output_bias = weights.values()
    ngrams = model.get_layer("ngrams")

    def vector(characters):
        """The vector of the last of some characters, and those of the n-grams that it ends."""
        found = embedding[characters[-1]].copy()
        last = [ngrams.code_points[character] for character in [0, 0, 0, *characters][:-5:-1]]
        for n, start in zip((2, 3, 4), ngrams._starts, strict=False):
            key = sum(int(factor) * point for factor, point in zip(ngrams._factors[n - 2], last[:n], strict=False))
            found += table[int(start) + (key % 2**32 >> int(ngrams._shifts[n - 2]))]
        return found

    def sigmoid(values):
        return 1 / (1 + np.exp(-values))

    nats, scored = 0.0, 0
    windows = read_windows(artifact(text_place, "TextExampleGen", "examples"))
    for _, context, text in windows:
        hidden, state = np.zeros(24), np.zeros(24)
        characters = [index.get(character, 0) for character in context + text]
        for place, following in enumerate(characters[1:]):
            gates = np.split(vector(characters[: place + 1]) @ kernel + hidden @ recurrent + bias, 4)
            state = sigmoid(gates[1]) * state + sigmoid(gates[0]) * np.tanh(gates[2])
            hidden = sigmoid(gates[3]) * np.tanh(state)
            if place + 1 >= len(context):
                logits = hidden @ output + output_bias
                nats += np.log(np.exp(logits).sum()) - logits[following]
                scored += 1
    # The very first character of each file follows from nothing, by the frequencies of beginnings: a few in a thousand.
    missing = sum(len(text) for _, _, text in windows) - scored
    assert 0 <= missing <= 2
    assert text_run.json["metrics"]["nats_per_character"] == pytest.approx(nats / scored, abs=0.01)


def test_what_is_generated_is_utf_8_of_known_characters(charseq, text_server):
    result = charseq("generate", "--server", text_server, "--length", "500", "--temperature", "1.5", "--json")
    assert result.status == 0, result.stderr
    text = result.json["text"]
    assert len(text) == 500
    known = {character for part in PARTS.values() for character in part} - {"\r"}
    assert set(text) <= known
    for prompt in ("ὁ λόγος", "天地", "🐀 and 🐈\u200d⬛"):
        result = charseq("generate", "--server", text_server, "--prompt", prompt, "--seed", "3")
        assert result.status == 0, result.stderr
        assert result.stdout.startswith(prompt)
        assert len(result.stdout) == len(prompt) + 200 + 1


def test_streamed_text_is_the_unstreamed_one(charseq, text_server):
    command = ("generate", "--server", text_server, "--prompt", "so ", "--length", "150", "--seed", "8", "--top-k", "9")
    whole, streamed = charseq(*command), charseq(*command, "--stream")
    assert whole.stdout == streamed.stdout
    assert charseq(*command, "--json").json["text"] == charseq(*command, "--json", "--stream").json["text"]
    assert whole.stdout[:-1] == "so " + charseq(*command, "--json").json["text"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prompt", "λόγοß"), "character `ß` (U+00DF) at position 5 is unknown"),
        (("--temperature", "-1"), "`temperature` is -1"),
        (("--length", "10000000"), "`length` is 10000000"),
        (("--length", "99999999999"), "99999999999 is not in the range"),
        (("--version", "1", "--label", "stable"), "give only one"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(charseq, text_server, arguments, said):
    result = charseq("generate", "--server", text_server, *arguments)
    assert result.status == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_the_samples_of_every_epoch_are_kept(text_run, text_place):
    samples = json.loads((artifact(text_place, "Trainer", "model_run") / "samples.json").read_text())
    assert {(s["epoch"], s["temperature"]) for s in samples} == {(e, t) for e in (1, 2) for t in (0.2, 0.5, 1.0, 1.2)}


@pytest.mark.slow
def test_a_text_in_another_alphabet_is_drift_from_what_is_served(charseq, text_run, text_place, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", "chinese")
    places = ("--root", tmp_path / "runs", "--serving-dir", text_place / "serving")
    result = charseq("run", "text", "--json", *places, "--set", f"corpus={corpus}", *QUICK)
    assert result.status == 1, result.stderr
    (reason,) = result.json["reasons"]
    assert "train: text_characters: High approximate Jensen-Shannon divergence" in reason
    assert "U+0020 SPACE" in reason
    assert "--set validate.check_drift=false" in reason
    assert "Trainer" not in result.json["seconds"]


@pytest.mark.slow
@pytest.mark.parametrize("language", list(PARTS))
def test_a_corpus_of_one_language_alone(charseq, tmp_path, language):
    corpus = write_corpus(tmp_path / "corpus", language)
    result = charseq("run", "text", "--json", "--root", tmp_path, "--set", f"corpus={corpus}", *QUICK)
    assert result.status == 0, result.stderr
    assert result.json["blessed"]
