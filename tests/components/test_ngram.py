"""The n-gram model against one that is slow and obvious, and its component on examples of every layout."""

import collections
import json
import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfx.types import standard_artifacts

from components.example_gen.executor import TextExecutor
from components.example_gen.settings import TextData
from components.floor.component import FILE_NAME, Executor, read_floors
from components.ngram import witten_bell
from components.ngram.evaluation import evaluate
from components.ngram.reading import read_characters
from components.ngram.settings import NgramSettings
from components.ngram.witten_bell import LONGEST_RUN, Characters, WittenBell
from components.settings import SettingsError
from pipeline.config.task_files import load_task
from pipeline.families import find_family
from tests.components.example_gen.test_example_gen import generate

TEXTS = st.lists(st.text("ab\n é🙂\ufffd", max_size=30), min_size=1, max_size=4)

# The code points of Unicode without the surrogates.
CODE_POINTS = 0x110000 - 0x800


def slow(order, training, evaluation, stand_in):
    """Nats per character by each order, from the formula as it is written; both are lists of strings, the runs."""
    known = set("".join(training)) - ({"\ufffd"} if stand_in else set())
    if stand_in and "\ufffd" in "".join(training):
        evaluation = ["".join(c if c in known else "\ufffd" for c in run) for run in evaluation]
    following = collections.defaultdict(collections.Counter)
    for run in training:
        for index, character in enumerate(run):
            for size in range(min(index, order - 1) + 1):
                following[run[index - size : index]][character] += 1

    def probability(context, character):
        lower = probability(context[1:], character) if context else 1 / (len(known) + 1)
        seen = following[context]
        if not seen:
            return lower
        return (seen[character] + len(seen) * lower) / (seen.total() + len(seen))

    def share(character):
        return 1 if character in known else CODE_POINTS - len(known)

    return [
        -sum(
            math.log(probability(run[max(0, index - size) : index], character) / share(character))
            for run in evaluation
            for index, character in enumerate(run)
        )
        / len("".join(evaluation))
        for size in range(order)
    ]


def to_characters(runs):
    points = np.array([ord(character) for run in runs for character in run], np.uint32)
    return Characters(points, np.array([index for run in runs for index in range(len(run))], np.uint8))


@settings(deadline=None, max_examples=200)
@given(
    training=TEXTS,
    evaluation=TEXTS,
    order=st.integers(1, 6),
    stretch=st.integers(1, 40),
    stand_in=st.booleans(),
    # Counted in a table or sorted, in one piece or several.
    table=st.sampled_from([0, 40, 1 << 25]),
    piece=st.sampled_from([1, 7, 1 << 20]),
)
def test_it_is_the_formula(training, evaluation, order, stretch, stand_in, table, piece):
    if not "".join(training) or not "".join(evaluation):
        return
    joined = to_characters(evaluation)
    stretches = [
        Characters(joined.points[first : first + stretch], joined.runs[first : first + stretch])
        for first in range(0, len(joined.points), stretch)
    ]
    with mock.patch.multiple(witten_bell, _LARGEST_TABLE=table, _PIECE=piece):
        figures = evaluate(NgramSettings(order), [to_characters(training)], stretches, stand_in)
    expected = slow(order, training, evaluation, stand_in)
    assert [f["nats_per_character"] for f in figures["orders"]] == pytest.approx(expected)
    assert figures["nats_per_character"] == pytest.approx(expected[-1])
    assert figures["bits_per_character"] == pytest.approx(expected[-1] / math.log(2))
    assert figures["test_characters"] == len("".join(evaluation))


@settings(deadline=None)
@given(training=TEXTS, context=st.text("ab\n é🙂x\ufffd", max_size=6), order=st.integers(1, 5), stand_in=st.booleans())
def test_the_probabilities_of_all_characters_are_one(training, context, order, stand_in):
    if not "".join(training):
        return
    model = WittenBell(to_characters(training), order, stand_in)
    known = sorted(set("".join(training)) - ({"\ufffd"} if stand_in else set()))
    last = [model.log_probabilities(to_characters([context + character]))[:, -1] for character in [*known, "\u4e2d"]]
    *of_known, of_each_other = np.exp(last)
    # All code points that the text lacks are as likely as each other.
    total = np.sum(of_known, axis=0) + of_each_other * (CODE_POINTS - len(known))
    assert total == pytest.approx(np.ones(order))


def test_a_replacement_character_of_the_text_itself_costs_no_more_than_another():
    genuine, usual = (
        evaluate(NgramSettings(2), [to_characters([text * 20])], [to_characters([text])])["bits_per_character"]
        for text in ("ab\ufffd", "abc")
    )
    assert genuine == pytest.approx(usual)


def test_only_the_first_characters_are_counted():
    whole = to_characters(["ab" * 50 + "zz" * 50])
    figures = evaluate(NgramSettings(2, most_characters=100), [whole, whole], [to_characters(["ab"])])
    assert figures["training_characters"] == 100
    assert figures["distinct_characters"] == 2


@pytest.mark.parametrize("side", [0, 1])
def test_a_side_without_a_character_is_an_error(side):
    sides = [[to_characters(["ab"])], [to_characters(["ab"])]]
    sides[side] = []
    with pytest.raises(ValueError, match="no character to"):
        evaluate(NgramSettings(), *sides)


@pytest.mark.parametrize(
    ("values", "said"), [({"order": 0}, "ngram.order is 0"), ({"most_characters": 0}, "ngram.most_characters is 0")]
)
def test_settings_that_cannot_be_used(values, said):
    with pytest.raises(SettingsError, match=said):
        NgramSettings(**values)


@pytest.mark.parametrize(
    "layout",
    [
        {"context": 0, "length": 128, "step": 128, "eval_context": 256},
        {"context": 40, "length": 1, "step": 3, "eval_context": 40},
        {"context": 100, "length": 1, "step": 1, "eval_context": 100},
        {"context": 3, "length": 5, "step": 20, "eval_context": 4},
    ],
    ids=["text", "reference 3", "reference 4", "gaps"],
)
def test_characters_are_put_back_together(tmp_path, layout):
    texts = ["".join(f"{n} κάτι 中🙂\n" for n in range(first, first + 80)) for first in (0, 500)]
    for name, content in zip("ab", texts, strict=True):
        (tmp_path / f"{name}.txt").write_text(content)
    data = TextData(str(tmp_path / "*.txt"), characters_per_shard=300, **layout)
    generate(TextExecutor, data, tmp_path / "out")

    def runs(split, begins_without_context):
        found = []
        for stretch in read_characters(str(tmp_path / "out"), split, begins_without_context):
            for point, run in zip(stretch.points, stretch.runs, strict=True):
                if run == 0:
                    found.append("")
                assert min(len(found[-1]), LONGEST_RUN) == run
                found[-1] += chr(point)
        return found

    parts = [[int(len(content) * share) for share in (1 - 0.1 - 0.01, 0.9)] for content in texts]
    assert runs("test", True) == [content[end:] for content, (_, end) in zip(texts, parts, strict=True)]
    assert runs("validation", True) == [content[begin:end] for content, (begin, end) in zip(texts, parts, strict=True)]
    trained = [content[:begin] for content, (begin, _) in zip(texts, parts, strict=True)]
    if layout["step"] > layout["context"] + layout["length"]:
        trained = [content[i : i + 8] for content in trained for i in range(0, len(content) - 7, 20)]
    else:
        # What is left behind the last full window is in none.
        last = layout["context"] + layout["length"]
        trained = [content[: len(content) - (len(content) - last) % layout["step"]] for content in trained]
    assert runs("train", layout["context"] > 0) == trained


def test_the_component_writes_a_floor_of_the_test_side(tmp_path):
    (tmp_path / "a.txt").write_text("the cat sat on the mat, and the dog on the log; " * 40)
    config = load_task("text", [f"corpus={tmp_path / 'a.txt'}", "ngram.order=3", "data.length=128", "data.step=128"])
    examples, floor = standard_artifacts.Examples(), standard_artifacts.ModelEvaluation()
    examples.uri, floor.uri = str(tmp_path / "examples"), str(tmp_path / "floor")
    generate(TextExecutor, config.data, tmp_path / "examples")
    arguments = find_family("text").floors(config)
    Executor().Do({"examples": [examples]}, {"floor": [floor]}, arguments._asdict())
    (found,) = read_floors(floor.uri)
    figures = json.loads((tmp_path / "floor" / FILE_NAME).read_text())["details"]
    assert [f["order"] for f in figures["orders"]] == [1, 2, 3]
    assert figures["order"] == 3
    assert figures["test_characters"] == 192
    assert figures["training_characters"] <= 0.89 * 1_920
    assert found.name == "the 3-gram model"
    assert found.metrics == {name: figures[name] for name in ("bits_per_character", "nats_per_character")}
    assert figures["nats_per_character"] < 0.6 < figures["orders"][0]["nats_per_character"]
