"""The page of a run: the user's own text in it, figures, mistakes and rows; and that it destroys no fuller one."""

import dataclasses
import html
import json
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ml_metadata import proto

from components.cleaning.invisible import is_invisible
from pipeline.cli import main
from pipeline.families.answers.alignment import align, nearest, split_answer
from pipeline.families.answers.report import describe_mistake
from pipeline.families.pairs.family import FAMILY
from pipeline.lineage import Lineage, note_run, open_store
from pipeline.places import Places
from pipeline.report.figures import describe_figure, read_figures
from pipeline.report.page import write_comparison, write_report
from pipeline.report.shown import direction, plain, prose, shown
from tests.pipeline.report.records import MISTAKE, NOTE, SUMMARY, answers_run

# What would turn a page around, end it, or not be seen: all kinds of characters without a glyph.
CONTROLS = "\x00\x1b\x7f\x85\u00a0\u00ad\u034f\u061c\u115f\u180e\u200b\u200d\u202e\u2028\u2066\u3164\ufe0f\ufeff"
CONTROLS += "\ue000\U000e0041"


def words_of(markup):
    """The text of a page without its markup."""
    return re.sub("<[^>]*>", "", str(markup))


def page_of(run, tmp_path):
    return Path(write_report(run, Places(str(tmp_path / "root"))).path).read_text()


# The user's own text.


def test_no_control_or_invisible_character_is_raw_in_a_page_wherever_it_comes_from(tmp_path):
    text = f"ab{CONTROLS}\ud800\ncd"
    mistake = MISTAKE | {"expression": text, "answer": text, "others": [text], "text": text[::-1]}
    skipped = [{"file": text, "line": 1, "reason": text}]
    summary = SUMMARY | {"skipped_rows": skipped, "hidden": [text], "file_names": [text]}
    predictions = [{"expression": text, "answer": text, "predicted": text}]
    runs = [
        answers_run(tmp_path / str(number), number, [mistake], summary, {"input": text}, predictions)
        for number in (1, 2)
    ]
    notes = runs[0].notes | {"failure": text}
    runs[0] = dataclasses.replace(runs[0], notes=notes)
    places = Places(str(tmp_path))
    for written in (write_report(runs[0], places), write_comparison(tuple(runs), places)):
        page = Path(written.path).read_text()
        assert not [c for c in page if c != "\n" and is_invisible(c)]
        assert 'title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E</bdi>' in page
        assert 'title="U+001B ESCAPE">U+001B</bdi>' in page


@given(st.text())
def test_any_text_is_shown_without_loss_and_without_markup_of_its_own(text):
    for markup in (shown(text), shown(text, lines=True), prose(text)):
        without = re.sub(
            r'<bdi class="(sign|data)"( title="[^"<>]*")?>|<span class="sign"[^>]*>|</?bdi>|</span>', "", markup
        )
        assert "<" not in without
        assert not any(is_invisible(c) for c in markup if c != "\n")
    assert not any(is_invisible(c) for c in plain(text) if c != "\n")
    signs = sum(is_invisible(c) for c in text)
    assert shown(text).count("U+") >= signs
    assert markup.count("<bdi") == markup.count("</bdi>")


def test_right_to_left_text_is_isolated_and_nothing_of_the_sentence_around_it_is():
    assert str(shown("שלום")) == '<bdi class="data">שלום</bdi>'
    assert html.unescape(prose("it is 'שלום 12 עולם', 0.5")) == "it is '<bdi>שלום 12 עולם</bdi>', 0.5"
    assert str(prose("a שָׁ b مرحبا")) == "a <bdi>שָׁ</bdi> b <bdi>مرحبا</bdi>"
    assert [direction(text) for text in ("12 אב", "ab אב", "", "12")] == ["rtl", "ltr", "ltr", "ltr"]


def test_spaces_at_the_ends_of_an_answer_can_be_seen():
    assert words_of(shown(" a  b ")) == "␣a  b␣"
    assert words_of(shown("  ")) == "␣␣"


def test_a_combining_mark_stays_on_its_letter(tmp_path):
    page = page_of(answers_run(tmp_path, mistakes=[MISTAKE | {"expression": "e\u0301"}]), tmp_path)
    assert "e\u0301" in page


# Mistakes.


symbols = st.lists(st.sampled_from(["a", "b", "cc", "\u0301"]), max_size=12)


def levenshtein(one, other):
    """The textbook's recursion."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row, before = [i], row
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]


@given(symbols, symbols)
def test_an_alignment_has_both_answers_and_the_fewest_edits(right, said):
    steps = align(right, said)
    assert [symbol for step in steps for symbol in step.right] == right
    assert [symbol for step in steps for symbol in step.said] == said
    assert sum(max(len(s.right), len(s.said)) for s in steps if s.kind != "same") == levenshtein(right, said)
    for step in steps:
        assert (step.right == step.said) == (step.kind == "same")
        assert bool(step.right) == (step.kind != "added")
        assert bool(step.said) == (step.kind != "left out")


def test_the_nearest_right_answer_is_shown_and_the_others_are_named(tmp_path):
    found = describe_mistake(MISTAKE | {"answer": "cat", "others": ["mittens", "kitten"]}, "")
    assert (found["answer"], found["others"], found["edits"]) == ("kitten", ["cat", "mittens"], 2)
    assert [(step["kind"], step["right"], step["said"]) for step in found["steps"]] == [
        ("other", "k", "s"),
        ("same", "itt", "itt"),
        ("other", "e", "i"),
        ("same", "n", "n"),
    ]
    assert found["words"] == "s for k; i for e"
    page = page_of(answers_run(tmp_path), tmp_path)
    assert 'aria-label="s for k; i for e"' in page
    assert "≠" in page
    assert "also right:" in page


def test_tokens_are_compared_as_a_whole(tmp_path):
    mistake = {"expression": "oiseau", "answer": "w a z o", "text": "w az o o", "log_prob": -1.0}
    found = describe_mistake(mistake, " ")
    assert [(step["kind"], step["right"], step["said"]) for step in found["steps"]] == [
        ("same", "w", "w"),
        ("other", "a", "az"),
        ("other", "z", "o"),
        ("same", "o", "o"),
    ]
    assert nearest(["a"], [["b", "c"], ["a", "d"], ["a"]]) == 2
    assert nearest(["x"], [["a"], ["x", "b"], ["c", "x"]]) == 1
    assert split_answer("", "") == []
    run = answers_run(tmp_path, mistakes=[mistake], data={"target_tokens": "space"})
    assert FAMILY.answer_separator(run.config) == " "
    assert "counted in tokens" in page_of(run, tmp_path)


def test_what_the_model_cannot_write_is_listed_so_that_it_can_be_seen(tmp_path):
    tokens = [["\u200b", 5], ["א", 2], ["k\u0301w", 1]]
    lacking = {"examples": 3, "occurrences": 8, "different": 7, "tokens": tokens}
    run = answers_run(tmp_path, unsayable=lacking)
    page = page_of(run, tmp_path)
    assert "3 of 4 test examples have such characters, 8 in all." in page
    assert "the 3 most frequent of 7" in page
    assert "\u200b" not in page
    for said in ("U+200B ZERO WIDTH SPACE", "U+05D0 HEBREW LETTER ALEF", "U+0301 COMBINING ACUTE ACCENT"):
        assert said in page
    assert "cannot write" not in page_of(answers_run(tmp_path / "none", unsayable=None), tmp_path / "none")


def test_right_to_left_differences_run_from_right_to_left(tmp_path):
    page = page_of(answers_run(tmp_path, mistakes=[MISTAKE | {"answer": "אבג", "text": "אבד", "others": []}]), tmp_path)
    assert re.search(r'class="aligned"[^>]* dir="rtl"', page)


# Figures.


def test_figures_have_their_intervals_beside_them():
    figures = read_figures({"mase": 0.5, "a": 0.912, "a_low": 0.905, "a_high": 0.919, "b_low": 1.0})
    assert list(figures) == ["mase", "a", "b_low"]
    assert describe_figure(figures["a"], lambda value: f"{value:.3f}") == "0.912 (0.905 to 0.919)"
    assert describe_figure(figures["mase"]) == "0.5000"
    nan = float("nan")
    assert describe_figure(read_figures({"a": 1.0, "a_low": nan, "a_high": nan})["a"]) == "1.0000"


def test_the_floors_and_the_served_version_stand_beside_the_model(tmp_path):
    page = page_of(answers_run(tmp_path), tmp_path)
    table = page[page.index('id="figures"') :]
    cells = [words_of(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", table[: table.index("</table>")])]
    assert cells[:4] == ["figure", "this model", "served before", "the commonest answer, &#39;אבג&#39;"]
    assert cells[4:8] == ["exact match", "0.7500 (0.3006 to 0.9544)", "0.7400", "0.2500"]
    assert not [cell for cell in cells if cell.endswith((" low", " high"))]
    assert f"+0.0100; {NOTE}" in words_of(page)


# Rows.


def test_the_page_says_in_words_what_became_of_the_rows(tmp_path):
    page = page_of(answers_run(tmp_path), tmp_path)
    said = words_of(page[page.index('id="data"') :])
    for sentence in (
        "1,234 rows of 2 files: a.csv, b.csv.",
        "1,200 different inputs; 23 of them have several answers: any of them counts as right",
        "1 row repeats another one.",
        "4 rows are kept out of training",
        "5 empty lines are left out.",
        "101 rows could not be used and are left out.",
        "Hidden files are left out: /data/.hidden.csv.",
        "The rows that were skipped, the first 100 of 101",
    ):
        assert sentence in said
    assert page.count("column target: empty") == 100


def test_rows_that_an_earlier_version_did_not_count_are_not_spoken_of(tmp_path):
    page = page_of(answers_run(tmp_path, summary={}), tmp_path)
    assert "different input" not in page


# What is gone.


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        (
            {"taken": 0.97304, "new": [["é"], ["x", "y"]], "gone": [[], []], "reason": ""},
            "97.30% of the weights come from the served version; new: é x y",
        ),
        (
            {"taken": 0.0, "new": [], "gone": [], "reason": "no version of this model is served yet"},
            "no no version of this model is served yet",
        ),
    ],
)
def test_the_page_says_what_a_warm_start_took_over(tmp_path, summary, said):
    run = answers_run(tmp_path / "artifacts")
    (tmp_path / "artifacts" / "Trainer" / "model_run" / "warm_start.json").write_text(json.dumps(summary))
    assert f"Warm start {said}" in " ".join(re.sub("<[^>]*>", " ", page_of(run, tmp_path)).split())


def test_artifacts_that_are_gone_are_named_and_a_fuller_report_is_kept(tmp_path):
    run, places = answers_run(tmp_path / "artifacts"), Places(str(tmp_path))
    path = Path(write_report(run, places).path)
    full = path.read_bytes()
    shutil.rmtree(tmp_path / "artifacts" / "Evaluator")
    written = write_report(run, places)
    assert (written.path, path.read_bytes()) == (str(path), full)
    assert [missing.name for missing in written.missing] == ["Evaluator.evaluation"]
    left = Path(written.beside).read_text()
    assert "Evaluator.evaluation is gone" in words_of(left)
    assert "0.7500 (0.3006 to 0.9544)" in left  # what ML Metadata knows
    assert "12.0 s" in left  # what is still there
    assert any("is kept" in note for note in written.notes)


def test_without_an_earlier_report_what_is_left_is_shown(tmp_path):
    run, places = answers_run(tmp_path / "artifacts"), Places(str(tmp_path))
    shutil.rmtree(tmp_path / "artifacts" / "Trainer")
    first, again = write_report(run, places), write_report(run, places)
    assert first.path == again.path
    assert first.beside == again.beside == ""
    page = Path(first.path).read_text()
    assert "Trainer.model_run is gone" in words_of(page)
    assert "kitten" in page


def test_a_page_of_an_earlier_version_is_not_overwritten_by_an_emptier_one(tmp_path):
    run, places = answers_run(tmp_path / "artifacts"), Places(str(tmp_path))
    path = Path(places.report_path("pairs", "run-1"))
    path.parent.mkdir(parents=True)
    path.write_text("<!doctype html><title>the only one</title>")
    shutil.rmtree(tmp_path / "artifacts")
    assert write_report(run, places).path == str(path)
    assert "the only one" in path.read_text()


def test_a_report_is_made_anew_when_more_can_be_read(tmp_path):
    run, places = answers_run(tmp_path / "artifacts"), Places(str(tmp_path))
    (tmp_path / "artifacts" / "Evaluator").rename(tmp_path / "away")
    assert "kitten" not in Path(write_report(run, places).path).read_text()
    (tmp_path / "away").rename(tmp_path / "artifacts" / "Evaluator")
    assert "kitten" in Path(write_report(run, places).path).read_text()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"checks": []}', "\x00"])
def test_an_artifact_that_cannot_be_read_is_named(tmp_path, content):
    run, places = answers_run(tmp_path / "artifacts"), Places(str(tmp_path))
    for name in ("Evaluator/evaluation/results.json", "Trainer/model_run/history.json"):
        (tmp_path / "artifacts" / name).write_text(content)
    written = write_report(run, places)
    assert "Evaluator.evaluation cannot be read" in words_of(Path(written.path).read_text())


def test_the_page_of_two_runs_is_kept_too(tmp_path):
    runs = tuple(answers_run(tmp_path / str(number), number) for number in (1, 2))
    path = Path(write_comparison(runs, Places(str(tmp_path))).path)
    full = path.read_bytes()
    shutil.rmtree(tmp_path / "2")
    written = write_comparison(runs, Places(str(tmp_path)))
    assert path.read_bytes() == full
    assert "what run 2 made can no longer be shown" in words_of(Path(written.beside).read_text())


def test_nothing_is_left_of_a_report_that_cannot_be_written(tmp_path, monkeypatch):
    run, places = answers_run(tmp_path / "artifacts"), Places(str(tmp_path))
    path = Path(write_report(run, places).path)
    full = path.read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report(run, places)
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [(path.name, full)]


# The commands, on a root with ML Metadata.


def put_run(root, run):
    """Writes a record to a root's ML Metadata, as TFX does."""
    store = open_store(str(root / "metadata.sqlite"))

    def context(kind, name):
        made = proto.Context(type_id=store.put_context_type(proto.ContextType(name=kind)), name=name)
        made.id = store.put_contexts([made])[0]
        return made

    run_context = context("pipeline_run", run.run_id)
    for name, component in run.components.items():
        kind = store.put_execution_type(proto.ExecutionType(name=name))
        execution = proto.Execution(type_id=kind, last_known_state=proto.Execution.COMPLETE)
        made = []
        for key, output in component.outputs.items():
            artifact = proto.Artifact(type_id=store.put_artifact_type(proto.ArtifactType(name=key)), uri=output.uri)
            for field, value in output.properties.items():
                artifact.custom_properties[field].string_value = str(value)
            event = proto.Event(type=proto.Event.OUTPUT)
            event.path.steps.add().key = key
            made.append((artifact, event))
        store.put_execution(execution, made, [run_context, context("node", f"{run.task}.{name}")])
    note_run(store, run.run_id, run.notes)


@pytest.fixture
def root(tmp_path):
    """A root with a run."""
    folder = tmp_path / "root"
    run = answers_run(folder / "artifacts" / "pairs")
    folder.mkdir(exist_ok=True)
    put_run(folder, run)
    return folder


def invoke(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result


def test_report_keeps_the_good_page_of_a_run_whose_artifacts_are_deleted(root):
    path = Path(json.loads(invoke("report", "--json", "--root", root).stdout)["report"])
    full = path.read_bytes()
    shutil.rmtree(root / "artifacts")
    result = invoke("report", "--json", "--root", root)
    answer = json.loads(result.stdout)
    assert (answer["report"], path.read_bytes()) == (str(path), full)
    assert {part["name"] for part in answer["missing"]} >= {"Evaluator.evaluation", "Trainer.model_run"}
    assert Path(answer["report_of_what_is_left"]).exists()
    assert "artifacts of the run are gone: " in result.stderr
    assert f"Evaluator.evaluation, Pusher.pushed_model, of {root}/artifacts/pairs\n" in result.stderr


def test_a_root_that_was_moved_has_its_artifacts_and_its_report(root, tmp_path):
    moved = root.rename(tmp_path / "moved [1]")
    result = invoke("report", "--json", "--root", moved)
    answer = json.loads(result.stdout)
    assert answer["missing"] == []
    assert "kitten" in Path(answer["report"]).read_text()
    record = Lineage(str(moved / "metadata.sqlite")).find("")
    assert record.done["Trainer"].outputs["model_run"].uri == str(moved / "artifacts/pairs/Trainer/model_run")


def test_a_copied_root_shows_its_own_artifacts(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    record = Lineage(str(copy / "metadata.sqlite")).find("")
    assert record.done["Trainer"].outputs["model_run"].uri.startswith(f"{copy}/")


def test_runs_are_listed_and_shown_without_rows_for_the_ends_of_intervals(root):
    listed, described = invoke("runs", "--root", root).stdout, invoke("runs", "show", "1", "--root", root).stdout
    assert "exact_match 0.7500" in listed
    assert "exact_match        0.7500, 95% interval 0.3006 to 0.9544\n" in described
    assert "_low" not in listed + described
    assert "_high" not in listed + described
    assert json.loads(invoke("runs", "--json", "--root", root).stdout)["runs"][0]["metrics"]["exact_match_low"]


def test_the_control_characters_of_these_tests_are_of_every_kind():
    assert {unicodedata.category(c) for c in CONTROLS} >= {"Cc", "Cf", "Co", "Zl", "Zs", "Mn", "Lo"}
