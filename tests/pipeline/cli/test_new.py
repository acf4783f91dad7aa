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
    ],
)
def test_what_cannot_be_used_is_refused_and_leaves_no_file(here, how, said):
    with pytest.raises(SettingsError) as error:
        write(**how)
    assert said in str(error.value)
    assert not list(here.glob("*.toml*"))


def test_a_file_that_is_there_is_not_replaced_unless_asked(here):
    write()
    with pytest.raises(SettingsError, match="mine.toml is there already"):
        write()
    assert write(replace=True, assignments=["data.test_fraction=0.3"]).path == "mine.toml"
    assert load_task("mine.toml").data.test_fraction == 0.3
