"""Task files: what they mean, what they refuse, and that a refusal names the file, the key, the reason and the remedy."""

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.settings import SettingsError
from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from pipeline.config.drafts import render_task
from pipeline.config.overrides import override
from pipeline.config.task_files import dump_config, list_tasks, load_task, restore_config
from pipeline.families import find_family

# What a built-in task needs to be complete.
COMPLETE = {"pairs": ("data.files=x.tsv",)}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a task file in a folder of its own, which is the working directory; returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(content, name="mine.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
        return name

    return write


@pytest.mark.parametrize("task", list_tasks())
def test_every_built_in_task_loads_and_travels_as_json(task):
    config = load_task(task, COMPLETE.get(task, ()))
    assert config.task == task
    assert config.summary == list_tasks()[task]
    assert isinstance(config, find_family(config.family).config_class)
    assert restore_config(dump_config(config)) == config
    changed = override(config, ["train.epochs=7", "gate.beat_floor=false"])
    assert restore_config(dump_config(config), ["train.epochs=7", "gate.beat_floor=false"]) == changed
    assert restore_config(dump_config(changed)) == changed


@pytest.mark.parametrize("task", list_tasks())
def test_a_task_printed_with_all_its_settings_is_a_file_of_the_same_task(task, write):
    config = load_task(task, COMPLETE.get(task, ()))
    assert load_task(write(render_task(config))) == config


def test_a_task_that_does_not_exist_is_named_with_those_that_do(write):
    with pytest.raises(SettingsError, match="there is no task 'sum'; did you mean 'sums'"):
        load_task("sum")
    write("", "sum.toml")
    with pytest.raises(SettingsError, match="to run the file sum.toml, name it with its ending"):
        load_task("sum")


def test_a_file_says_what_is_different_from_the_defaults(write):
    config = load_task(
        write("""
        family  = "text"
        summary = "novels"
        [data]
        corpus        = "sherlock"
        test_fraction = 0.2
        [train]
        epochs        = 5
        learning_rate = 1
        temperatures  = [0.5, 1]
        [gate]
        beat_floor = false
        [ngram]
        order = 3
        """)
    )
    assert (config.task, config.summary, config.family) == ("mine", "novels", "text")
    assert (config.data.corpus, config.data.test_fraction) == ("sherlock", 0.2)
    assert (config.train.epochs, config.train.learning_rate, config.train.temperatures) == (5, 1.0, (0.5, 1.0))
    assert isinstance(config.train.learning_rate, float)
    assert (config.gate.beat_floor, config.ngram.order) == (False, 3)
    defaults = load_task(write('family = "text"\nname = "mine"', "other.toml"))
    assert dataclasses.replace(config.train, epochs=0, learning_rate=1e-2, temperatures=(0.2, 0.5, 1.0, 1.2)) == (
        defaults.train
    )


def test_assignments_are_on_top_of_the_file(write):
    path = write('extends = "sums"\n[train]\nepochs = 5\nunits = 16')
    config = load_task(path, ["train.epochs=6", "data.count=50"])
    assert (config.train.epochs, config.train.units, config.data.count) == (6, 16, 50)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b'\xef\xbb\xbffamily = "sums"\r\n')
    assert load_task(str(tmp_path / "mine.toml")).family == "sums"


def test_a_file_extends_a_task_or_a_file_and_each_has_the_last_word_over_the_one_before(write):
    write('extends = "sums-3-digits"\nsummary = "base"\n[data]\ncount = 900\n[train]\nepochs = 3', "base/base.toml")
    middle = write('extends = "base.toml"\n[train]\nepochs = 4\nunits = 8', "base/middle.toml")
    last = write('name = "last"\nextends = "base/middle.toml"\n[train]\nunits = 9')
    built_in, config = load_task("sums-3-digits"), load_task(last)
    assert (config.task, config.summary, load_task(middle).task) == ("last", "base", "middle")
    assert config.data == dataclasses.replace(built_in.data, count=900)
    assert config.train == dataclasses.replace(built_in.train, epochs=4, units=9)
    assert config.gate == built_in.gate


def test_another_architecture_leaves_behind_what_only_the_one_before_had(write):
    path = write('extends = "sums"\n[train]\nheads = 2\nepochs = 3', "base.toml")
    assert load_task(path).train == AttentionSettings(heads=2, epochs=3)
    path = write('extends = "base.toml"\n[train]\narchitecture = "simple_rnn"\nunits = 5')
    assert load_task(path).train == RecurrentSettings(architecture="simple_rnn", units=5, epochs=3)
    assert load_task(path, ["train.architecture=attention", "heads=4"]).train == AttentionSettings(
        heads=4, units=5, epochs=3
    )


def test_an_architecture_by_assignment_has_its_own_defaults():
    config = load_task("sums", ["train.architecture=lstm", "train.epochs=3"])
    assert config.train == RecurrentSettings(epochs=3)
    assert config.data == load_task("sums").data
    # On a configuration that is built, what the new architecture has as well stays as it was.
    assert isinstance(override(load_task("sums"), ["train.architecture=lstm"]).train, RecurrentSettings)
    with pytest.raises(SettingsError, match=r"train\.heads is a setting of train\.architecture attention, and this is"):
        load_task("sums", ["train.architecture=lstm", "train.heads=4"])


@pytest.mark.parametrize(
    ("corpus", "read"),
    [
        ("texts/*.txt", "folder/texts/*.txt"),
        ("novel.txt", "folder/novel.txt"),
        ("novels", "folder/novels"),  # it is there
        ("sherlock", "sherlock"),  # a name of the catalogue
        ("/texts/novel.txt", "/texts/novel.txt"),
        ("gs://bucket/texts", "gs://bucket/texts"),
    ],
)
def test_relative_paths_begin_at_the_folder_of_their_file(write, tmp_path, corpus, read):
    write("", "folder/novels/1.txt")
    base = write(f'extends = "text"\n[data]\ncorpus = "{corpus}"', "folder/base.toml")
    other = write('extends = "../folder/base.toml"', "other/mine.toml")
    assert load_task(base).data.corpus == read
    assert load_task(other).data.corpus == (
        read.replace("folder/", "other/../folder/") if read.startswith("folder/") else read
    )
    assert load_task(base, ["data.corpus=texts/a.txt"]).data.corpus == "texts/a.txt", "as the shell has it"
    absolute = load_task(str(tmp_path / base)).data.corpus
    assert absolute == (str(tmp_path / read) if read.startswith("folder/") else read)


MISTAKES = {
    "an unknown section": (
        'family = "sums"\n[trian]\nepochs = 5',
        "mine.toml: there is no section or key 'trian'; did you mean 'train'?",
    ),
    "an unknown key at the top": (
        'family = "sums"\nepochs = 5',
        "mine.toml: there is no section or key 'epochs'; it is a setting: write it below [train]",
    ),
    "an unknown key": (
        'family = "sums"\n[train]\nepoch = 5',
        "mine.toml: train has no 'epoch'; did you mean 'epochs'?",
    ),
    "a wrong type": (
        'family = "sums"\n[train]\nepochs = "five"',
        "mine.toml: train.epochs is 'five'; it is a whole number",
    ),
    "a truth value for a number": (
        'family = "sums"\n[train]\nepochs = true',
        "mine.toml: train.epochs is True; it is a whole number",
    ),
    "a wrong type within a list": (
        'family = "text"\n[train]\ntemperatures = [1, "hot"]',
        "mine.toml: train.temperatures is 'hot'; it is a number",
    ),
    "no list": ('family = "text"\n[train]\ntemperatures = 1', "mine.toml: train.temperatures is 1; it is a list of a"),
    "no number": (
        'family = "sums"\n[train]\nlearning_rate = nan',
        "mine.toml: train.learning_rate is nan; it is a number",
    ),
    "a table for a value": (
        'family = "text"\n[data.corpus]\nname = "a"',
        "mine.toml: data.corpus is {'name': 'a'}; it is text",
    ),
    "an impossible value": (
        'family = "sums"\n[train]\nepochs = 0',
        "mine.toml: train.epochs is 0; it must be at least 1",
    ),
    "values that are impossible together": (
        'family = "sums"\n[data]\ncount = 100_000\ndistinct = true',
        "mine.toml: data.count asks for 100,000 distinct examples, but 2 terms of 1 to 99 make only 9,801: lower data.count",
    ),
    "no such architecture": (
        'family = "sums"\n[train]\narchitecture = "gpt"',
        "mine.toml: train.architecture is 'gpt'; it is one of attention, lstm, simple_rnn",
    ),
    "a setting of another architecture": (
        'family = "sums"\n[train]\narchitecture = "lstm"\nheads = 2',
        "mine.toml: train.heads is a setting of train.architecture attention, and this is lstm/simple_rnn; leave it out",
    ),
    "an unknown family": ('family = "sum"', "mine.toml: there is no family 'sum'; did you mean 'sums'?"),
    "no family": ("[data]\ncount = 9", "mine.toml: neither `family` nor `extends` is there; write family ="),
    "an unknown base task": ('extends = "sum"', "mine.toml: extends: there is no task 'sum'; did you mean 'sums'?"),
    "another unknown base task": (
        'extends = "x"',
        "mine.toml: extends: there is no task 'x'; there are sums, sums-3-digits, ",
    ),
    "a base file that is not there": (
        'extends = "bas.toml"',
        "mine.toml: extends: there is no task file bas.toml; did you mean 'base.toml'?",
    ),
    "a family that contradicts what is extended": (
        'extends = "sums"\nfamily = "text"',
        "mine.toml: family is 'text', and sums is of the family 'sums'; remove `family`, or extend another task",
    ),
    "a mistake in what is extended": ('extends = "wrong.toml"', "wrong.toml: train.epochs is 0; it must be at least 1"),
    "not TOML": ('family = "sums\n', "mine.toml is not TOML: Illegal character '\\n' (at line 1, column 15)"),
    "a number of too many digits": (f"a = {'9' * 5_000}", "mine.toml is not TOML: Exceeds the limit"),
    "a list that is too deep": (f"a = {'[' * 5_000}", "mine.toml is not TOML: "),
    "a key twice": ('family = "sums"\nfamily = "text"', "mine.toml is not TOML: Cannot overwrite a value"),
    "a value where a section belongs": (
        'family = "sums"\ntrain = 5',
        "mine.toml: train is 5; it is a section: write [train] and its settings below",
    ),
    "a list of sections": (
        'family = "sums"\n[[train]]\nepochs = 5',
        "mine.toml: train is [{'epochs': 5}]; it is a section",
    ),
    "a name that is no text": ('family = "sums"\nname = 5', "mine.toml: name is 5; it is text, in quotes"),
    "a name that is none in a cluster": (
        'family = "sums"\nname = "my task"',
        "mine.toml: name is 'my task'; a task's name has letters, digits and hyphens",
    ),
    "what the family has not": (
        'family = "text"\n[browser]\nexport = true',
        "mine.toml: browser.export: mine writes text, and there is no page for that",
    ),
    "a setting that is needed and missing": ('family = "pairs"', "mine.toml: data.files is empty; name files"),
    "an encoding that does not exist": (
        'family = "pairs"\n[data]\nfiles = "a.csv"\nencoding = "utf-9"',
        "mine.toml: data.encoding is 'utf-9', and Python knows no such text encoding; there are utf-8, ",
    ),
    "a feature that the examples lack": (
        'family = "sums"\n[gate]\nslices = ["digits", "carrys"]',
        "mine.toml: gate.slices: the examples of sums have no feature 'carrys'; did you mean 'carries'?",
    ),
    "a file that is not there": (None, "there is no task file mine.toml; did you mean 'base.toml'?"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_file_key_reason_and_remedy(write, mistake):
    content, said = MISTAKES[mistake]
    write('extends = "sums"', "base.toml")
    write('family = "sums"\n[train]\nepochs = 0', "wrong.toml")
    if content is not None:
        write(content)
    with pytest.raises(SettingsError) as error:
        load_task("mine.toml")
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "files",
    [
        {"mine.toml": "mine.toml"},
        {"mine.toml": "./mine.toml"},
        {"mine.toml": "folder/a.toml", "folder/a.toml": "b.toml", "folder/b.toml": "../mine.toml"},
    ],
    ids=["itself", "itself by another path", "by way of others"],
)
def test_files_that_extend_each_other_are_refused(write, files):
    for name, base in files.items():
        write(f'extends = "{base}"', name)
    with pytest.raises(SettingsError, match=r"mine\.toml extends itself, by way of mine\.toml.*; remove one `extends`"):
        load_task("mine.toml")


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'family = "sums" # \xe9')
    with pytest.raises(SettingsError, match="latin.toml is not UTF-8: byte 19; save it as UTF-8"):
        load_task(str(tmp_path / "latin.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError, match="folder.toml cannot be read: Is a directory"):
        load_task(str(tmp_path / "folder.toml"))


def test_a_mistake_in_an_assignment_is_not_blamed_on_the_file(write):
    path = write('family = "sums"\n[train]\nepochs = 5')
    with pytest.raises(SettingsError) as error:
        load_task(path, ["train.epochs=0"])
    assert str(error.value) == "train.epochs is 0; it must be at least 1"
    with pytest.raises(SettingsError, match=r"^--set 'train.epoch=5': train has no 'epoch'"):
        load_task(path, ["train.epoch=5"])


def test_a_configuration_of_another_version_is_refused():
    fields = json.loads(dump_config(load_task("sums")))
    without = {name: value for name, value in fields.items() if name != "infra"}
    with pytest.raises(SettingsError, match="another version of charseq: they differ in infra"):
        restore_config(json.dumps(without))
    with pytest.raises(SettingsError, match="another version of charseq: they differ in new"):
        restore_config(json.dumps(fields | {"new": {}}))
    fields["train"]["beams"] = 4
    with pytest.raises(SettingsError, match="train has no 'beams'"):
        restore_config(json.dumps(fields))


# TOML of any shape: sections and settings that exist and others, values of every type.
NAMES = st.sampled_from(["family", "extends", "name", "data", "train", "gate", "epochs", "architecture", "corpus", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["sums", "text", "lstm"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def to_toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {to_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)  # nan and inf are TOML's as well
    return json.dumps("" if value is None else value, ensure_ascii=False)


@settings(max_examples=200, deadline=None)
@given(table=st.dictionaries(NAMES, VALUES, max_size=5), family=st.sampled_from(["sums", "text", "pairs"]))
def test_any_toml_is_a_task_or_a_settings_error(tmp_path_factory, table, family):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(f"{name} = {to_toml(value)}" for name, value in ({"family": family} | table).items()))
    with contextlib.suppress(SettingsError):
        load_task(str(path))


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_task_or_a_settings_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    with contextlib.suppress(SettingsError):
        load_task(str(path))
