"""charseq new: a task file that runs as it is, with what was found in the data."""

import pytest

from components.settings import SettingsError
from pipeline.config.drafts import write_task
from pipeline.config.task_files import load_task


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"wort{i % 90},w o r t {'aeiou'[i // 10 % 5]}\n" for i in range(100))
    (tmp_path / "pairs.csv").write_text("word,phones\n" + rows, encoding="utf-8")
    (tmp_path / "header.csv").write_text("word,phones\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.txt").write_text("hi")
    (tmp_path / "book.txt").write_text("It was a dark night. " * 200)
    return tmp_path


def write(name="mine", family="pairs", inputs=("pairs.csv",), assignments=(), runner=False, replace=False):
    return write_task(name, family, inputs, assignments, runner, replace)


def test_the_file_says_what_was_found_and_is_complete(here):
    written = write(assignments=["data.input=word", "data.target=phones", "train.epochs=3"], runner=True)
    config = load_task(written.path)
    assert (config.task, config.family) == ("mine", "pairs")
    assert (config.data.files, config.data.input, config.data.target_tokens) == (("pairs.csv",), "word", "space")
    assert config.train.epochs == 3
    text = (here / "mine.toml").read_text()
    assert all(f"# {line}" in text for line in written.found)
    assert "# 100 rows" in text
    assert "10 inputs have several answers" in text
    assert "run_with_tfx('mine.toml', beside=__file__)" in (here / "mine_runner.py").read_text()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"name": "a_b"}, "letters, digits and hyphens"),
        ({"family": "pears"}, "there is no family 'pears'"),
        ({"inputs": ()}, "name the pairs with --data"),
        ({"inputs": ("none.csv",)}, "no file matches 'none.csv'"),
        ({"assignments": ["data.input=wort"]}, "wort"),
        ({"assignments": ["train.epochs=many"]}, "'many' is not a whole number"),
        ({"family": "sums"}, "sums are generated"),
        ({"name": "pairs"}, "pairs is a built-in task"),
        ({"inputs": ("header.csv",)}, "header.csv: 0 inputs in 0 rows; training, validation and test need one each"),
        ({"inputs": ("empty.csv",)}, "empty.csv: 0 inputs in 0 rows"),
        (
            {"family": "text", "inputs": ("short.txt",)},
            "has 2 characters in 1 file, and none is for the validation split",
        ),
        (
            {"family": "text", "inputs": ("book.txt",), "assignments": ["data.encoding=utf-9"]},
            "data.encoding is 'utf-9', and Python knows no such",
        ),
        (
            {"family": "text", "inputs": ("book.txt",), "assignments": ["data.length=9000"]},
            "too short for a window of data.context + data.length = 9,000",
        ),
        (
            {"assignments": ["data.input=word", "data.target=phone"]},
            "there is no column 'phone'; line 1 has 'word', 'phones'; did you mean 'phones' in data.target?",
        ),
        (
            {"assignments": ["data.header=yes", "data.input=wrd", "data.target=phones"]},
            "there is no column 'wrd'; the file has 2 columns: 'word', 'phones'; did you mean 'word' in data.input?",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_and_leaves_no_file(here, how, said):
    with pytest.raises(SettingsError) as error:
        write(**how)
    assert said in str(error.value)
    assert not list(here.glob("*.toml*"))


def test_a_folder_in_the_place_of_the_file_is_refused(here):
    (here / "mine.toml").mkdir()
    with pytest.raises(SettingsError, match="mine.toml is a folder: choose another name"):
        write(replace=True)


def test_names_with_control_characters_break_no_file(here):
    (here / "a\n\x7f.csv").write_text('"wo\nrt",laut\n' + "".join(f"x{i},y{i}\n" for i in range(30)))
    written = write(inputs=("a\n\x7f.csv",), assignments=["data.input=wo\nrt", "data.target=laut"])
    assert load_task(written.path).data.files == ("a\n\x7f.csv",)
    assert load_task(written.path).data.input == "wo\nrt"


def test_a_header_that_was_not_found_can_be_stated(here):
    (here / "greek.csv").write_text("λέξη,ήχος\n" + "".join(f"λέξη{i},ήχος{i}\n" for i in range(50)))
    assert "If line 1 names the columns, say so: --set data.header=yes" in write(inputs=("greek.csv",)).found
    assert write(name="other", inputs=("greek.csv",), assignments=["header=yes"]).found[0] == "50 rows:"


def test_a_file_that_is_there_is_not_replaced_unless_asked(here):
    write()
    with pytest.raises(SettingsError, match="mine.toml is there already"):
        write()
    assert write(replace=True, assignments=["data.test_fraction=0.3"]).path == "mine.toml"
    assert load_task("mine.toml").data.test_fraction == 0.3
