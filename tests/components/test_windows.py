"""Windows: every evaluation character once, nothing on both sides, whatever the text and however it is cut."""

import os
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen import text
from components.example_gen.settings import TextData
from components.example_gen.splits import SPLITS
from components.settings import SettingsError

ALPHABETS = ["ab \n", "αβγΣ ς", "中文字符。", "🙂👩\u200d🚀x", "e\u0301e\u0327 \r\n", "\ufffda\u1112\u1161\u11ab"]
TEXTS = st.sampled_from(ALPHABETS).flatmap(lambda alphabet: st.text(alphabet, max_size=80))
LAYOUTS = {
    "context": st.integers(0, 6),
    "length": st.integers(1, 9),
    "step": st.integers(1, 12),
    "eval_context": st.integers(0, 9),
    "eval_length": st.integers(0, 12),
    "characters_per_shard": st.integers(1, 60),
}


def cut(folder, data):
    """The windows of every split, (context, text, position), and the plan that they are made by."""
    plan = text.plan_text(data, str(folder / "staged"))
    found = tuple([] for _ in SPLITS)
    for shard in plan.shards:
        for batch, sides in text.shard_windows(data, shard, plan.replaced):
            columns = [[row for (row,) in batch[name].to_pylist()] for name in ("context", "text", "position")]
            for context, predicted, position, side in zip(*columns, sides, strict=True):
                found[side].append((context.decode(), predicted.decode(), position))
    return *found, plan


def write(folder, texts):
    for index, content in enumerate(texts):
        (folder / f"{index}.txt").write_bytes(content.encode())
    return folder


def cleaned(content):
    return unicodedata.normalize("NFC", content.replace("\r\n", "\n"))


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    test=st.floats(0.05, 0.5),
    validation=st.floats(0.05, 0.45),
    layout=st.fixed_dictionaries(LAYOUTS),
)
def test_what_users_rely_on(tmp_path_factory, texts, test, validation, layout):
    folder = write(tmp_path_factory.mktemp("texts"), texts)
    data = TextData(corpus=str(folder), test_fraction=test, validation_fraction=validation, **layout)
    files = [cleaned(content) for content in texts]
    whole = "".join(files)
    starts = np.cumsum([0, *map(len, files)]).tolist()
    # For every file: where it begins, where validation does, where the test does, and where it ends.
    sides = [
        (start, start + int(len(f) * (1 - test - validation)), start + int(len(f) * (1 - test)), start + len(f))
        for start, f in zip(starts, files, strict=False)
    ]
    expected = [p for a, b, _, _ in sides for p in range(a + data.context, b - data.length + 1, data.step)]
    lacking = [not expected, *(all(side[i] == side[i + 1] for side in sides) for i in (1, 2))]
    if any(lacking):
        with pytest.raises(SettingsError, match="too short|is empty|none is for the (validation|test) split"):
            cut(folder, data)
        return
    training, *judged, plan = cut(folder, data)
    known = {*"".join(context + predicted for context, predicted, _ in training)} - {text.REPLACEMENT}
    whole_shown = "".join(c if c in known else text.REPLACEMENT for c in whole)

    # Windows have the characters that are there, in order, and a position says where.
    for windows in (training, *judged):
        assert [position for _, _, position in windows] == sorted(position for _, _, position in windows)
        for context, predicted, position in windows:
            assert whole_shown[position - len(context) : position + len(predicted)] == context + predicted
    # Training windows are full, on the training side of one file, `step` apart.
    assert all(len(c) == data.context and len(t) == data.length for c, t, _ in training)
    assert [position for _, _, position in training] == expected
    # Those of the other splits predict every character of theirs once and read nothing but such characters of the same file.
    for index, windows in enumerate(judged, 1):
        own = [(side[index], side[index + 1]) for side in sides]
        assert "".join(predicted for _, predicted, _ in windows) == "".join(whole_shown[b:c] for b, c in own)
        for context, predicted, position in windows:
            assert len(predicted) <= data.evaluated_length
            begin, end = next((b, c) for b, c in own if b <= position < c)
            assert position + len(predicted) <= end
            assert len(context) == min(data.eval_context, position - begin)
    assert plan.summary["training_characters"] == sum(b - a for a, b, _, _ in sides)
    assert plan.summary["validation_characters"] == sum(c - b for _, b, c, _ in sides)
    assert plan.summary["test_characters"] == sum(d - c for _, _, c, d in sides)
    assert plan.summary["distinct_characters"] == len({c for w in training for c in w[0] + w[1]})


@given(sizes=st.lists(st.integers(1, 200), min_size=2, max_size=5))
@settings(max_examples=20, deadline=None)
def test_shards_change_nothing(tmp_path_factory, sizes):
    folder = write(tmp_path_factory.mktemp("texts"), ["Ein Käse, " * 20, "Σίσυφος " * 9, "x"])
    found = [
        cut(folder, TextData(corpus=str(folder), length=5, step=3, eval_context=8, characters_per_shard=size))[:3]
        for size in sizes
    ]
    assert all(windows == found[0] for windows in found)


def test_a_text_longer_than_what_is_held_at_a_time(tmp_path):
    content = "".join(f"{n} κάτι 中 🙂\n" for n in range(60_000))
    data = TextData(corpus=str(write(tmp_path, [content])), length=128, step=128, characters_per_shard=100_000)
    training, validation, test, _ = cut(tmp_path, data)
    assert len(content) > 10 * 65_536
    content = unicodedata.normalize("NFC", content)
    begin, end = int(len(content) * (1 - 0.1 - 0.01)), int(len(content) * 0.9)
    assert "".join(predicted for _, predicted, _ in training) == content[: len(training) * 128]
    assert begin - 128 < len(training) * 128 <= begin
    assert "".join(predicted for _, predicted, _ in validation) == content[begin:end]
    assert "".join(predicted for _, predicted, _ in test) == content[end:]


def test_the_windows_of_the_reference_systems(tmp_path):
    content = "The quick brown fox jumps over the lazy dog. " * 10
    corpus = str(write(tmp_path, [content]))
    third = cut(tmp_path, TextData(corpus, context=40, length=1, step=3, eval_context=40))[0]
    assert third[:2] == [(content[:40], content[40], 40), (content[3:43], content[43], 43)]
    fourth = cut(tmp_path, TextData(corpus, context=100, length=1, step=1, eval_context=100, lowercase=True))[0]
    assert fourth[1] == (content.lower()[1:101], content.lower()[101], 101)
    assert len(fourth) == int(450 * 0.89) - 100


def test_rare_and_unseen_characters_are_replaced_and_named(tmp_path):
    content = "ab" * 30 + "c" + "a🙂b" + "ab" * 30 + "ddd" + "abababaé" + "abé" * 5
    fractions = {"test_fraction": 0.1, "validation_fraction": 0.02}
    data = TextData(str(write(tmp_path, [content])), length=4, step=4, min_count=2, **fractions)
    training, validation, test, plan = cut(tmp_path, data)
    assert "".join(t for _, t, _ in training).count("\ufffd") == 2
    assert "".join(t for _, t, _ in validation) == "ba\ufffd"
    assert "".join(t for _, t, _ in test) == "ab\ufffd" * 5
    assert plan.summary["replaced"] == [["é", 6], ["c", 1], ["🙂", 1]]
    assert (plan.summary["replaced_in_training"], plan.summary["replaced_elsewhere"]) == (2, 6)


def test_the_summary_is_bounded(tmp_path):
    content = "".join(map(chr, range(0x4E00, 0x4E00 + 3_000))) + "a" * 3_000
    for index in range(150):
        (tmp_path / f"{index}.txt").write_text("aaa")
    data = TextData(str(write(tmp_path, [content])), min_count=2, length=10, step=10)
    summary = cut(tmp_path, data)[-1].summary
    assert (len(summary["replaced"]), summary["replaced_characters"]) == (100, 3_000)
    assert (len(summary["file_names"]), summary["files"]) == (100, 150)


def test_a_file_stays_on_its_side_when_others_are_added(tmp_path):
    def sides():
        fractions = {"test_fraction": 0.3, "validation_fraction": 0.3}
        data = TextData(str(tmp_path), split="file", length=15, step=15, **fractions)
        return [{t for _, t, _ in windows} for windows in cut(tmp_path, data)[:-1]]

    for index in range(20):
        (tmp_path / f"{index}.txt").write_text(f"0123456789 {index:04}")
    before = sides()
    assert sum(map(len, before)) == 20
    for index in range(20, 60):
        (tmp_path / f"0{index}.txt").write_text(f"0123456789 {index:04}")
    assert all(was < now for was, now in zip(before, sides(), strict=True))


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        ("", {}, "is empty: 1 files without a character"),
        (
            "short",
            {},
            r"5 characters in 1 file, and none is for the validation split; use a longer text, or raise data",
        ),
        ("a" * 100, {}, r"100 characters in 1 file, of which training has 89 .*data\.context \+ data\.length = 512"),
        ("a" * 1_000, {"split": "file"}, r"none is for the (validation|test) split; use data\.split=position"),
        ("a" * 1_000, {"min_count": 2_000}, "data.min_count is 2,000"),
    ],
)
def test_what_cannot_be_cut_is_an_error_that_says_why(tmp_path, content, changes, said):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(SettingsError, match=said):
        cut(tmp_path, TextData(str(tmp_path / "a.txt"), **changes))


def test_a_missing_corpus_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="no file matches"):
        cut(tmp_path, TextData(str(tmp_path / "nothing.txt")))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corpus": ""}, "data.corpus is empty"),
        ({"encoding": "klingon"}, "data.encoding is 'klingon', and Python knows no such text encoding"),
        ({"min_count": 0}, "data.min_count is 0; it must be at least 1"),
        ({"context": -1}, "data.context is -1; it must be at least 0"),
        ({"length": 0}, "data.length is 0"),
        ({"step": 0}, "data.step is 0"),
        ({"eval_context": 65_500}, "data.eval_context and data.eval_length are 66,012 characters together"),
        ({"test_fraction": 1.0}, "data.test_fraction is 1.0; it must lie between 0 and 1"),
        ({"validation_fraction": 0.9}, "data.test_fraction and data.validation_fraction are 1 together"),
        ({"split": "word"}, "data.split is 'word'; it is 'position' or 'file'"),
        ({"spans": 0}, "data.spans is 0"),
        ({"characters_per_shard": 0}, "data.characters_per_shard is 0"),
    ],
)
def test_settings_that_cannot_be_used(changes, said):
    with pytest.raises(SettingsError, match=said):
        TextData(**changes)


def test_nothing_of_the_corpus_stays_open(tmp_path):
    corpus = str(write(tmp_path, ["abc " * 300]))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        cut(tmp_path, TextData(corpus))
    assert len(os.listdir("/proc/self/fd")) <= before
