"""The examples of the built-in tasks, by digests: they change when somebody means them to, and never by accident.

A digest here stands for every run that was ever compared with another one. If a change of the examples is meant, say in the
changelog that figures from before it cannot be compared, and write the new digest here.
"""

import hashlib

import pytest
from tfx.types import standard_artifacts

from components.example_gen import shards
from pipeline.config.task_files import list_tasks, load_task
from pipeline.families import find_family

pytestmark = pytest.mark.model

# What a task is given where its own data are large or come from elsewhere, and the digest of its examples.
GOLDEN = {
    "sums": ([], "ce27ae2e93482604"),
    "sums-3-digits": (["data.count=2000"], "8c2b88fc28c829b6"),
    "sums-5-digits": (["data.count=2000"], "1e579c15de83c2a7"),
    "sums-simple-rnn": ([], "087f826291c21fde"),
    "sums-lstm": ([], "3a1926c34bd49fb9"),
    "text": (["data.corpus={text}"], "cc1cd750a38dff9c"),
    "text-long": (["data.corpus={text}"], "cc1cd750a38dff9c"),
    "text-lstm": (["data.corpus={text}"], "b30a837194019aee"),
    "text-lstm-dropout": (["data.corpus={text}"], "bb64de8ed3435ab1"),
    "pairs": (["data.files={pairs}"], "d07592649d17a895"),
    "g2p": (
        ["data.files={pairs}", "data.validation_files={validation}", "data.test_files={test}"],
        "98ec94c4c4faabf6",
    ),
    "cmudict": (["data.files={pairs}"], "3822ab119b704c79"),
    "dates": (["data.count=2000"], "cbce2112d0aaf842"),
    "milk": ([], "d963f4a7f7414293"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A text and pairs that are the same everywhere: the manual of Python is another one in each release."""
    folder = tmp_path_factory.mktemp("data")
    syllables = ["ka", "ré", "mu", "ŋo", "学", "🐀", "ti1"]
    words = ["".join(syllables[(row // 7**place) % 7] for place in range(4)) for row in range(900)]
    (folder / "text.txt").write_text("".join(word + (", " if row % 9 else ".\n") for row, word in enumerate(words)))
    for name, part in (("pairs", words), ("validation", words[:40]), ("test", words[40:90])):
        rows = "".join(f"{word}\t{' '.join(word)}\n" for word in part)
        (folder / f"{name}.tsv").write_text(rows + (f"{words[500]}\tother\n" if name == "pairs" else ""))
    return {path.stem: path for path in folder.iterdir()}


def digest(config, folder):
    """The digest of the examples as the component of the task writes them, of the records and not of their compression."""
    component = find_family(config.family).example_gen(config.data)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    executor = component.executor_spec.executor_class
    context = executor.Context(beam_pipeline_args=config.beam.pipeline_args, tmp_dir=str(folder / "tmp"), unique_id="1")
    executor(context).Do({}, {"examples": [artifact]}, dict(component.exec_properties))
    found = hashlib.sha256()
    for split in shards.SPLITS:
        for example in shards.read_examples(str(folder), split):
            found.update(split.encode() + hashlib.sha256(example).digest())
    return found.hexdigest()[:16]


def test_every_built_in_task_has_a_digest():
    assert list(GOLDEN) == list(list_tasks())


@pytest.mark.parametrize("task", GOLDEN)
def test_the_examples_of_a_built_in_task_are_what_they_were(task, files, tmp_path):
    assignments, golden = GOLDEN[task]
    config = load_task(task, [text.format_map(files) for text in assignments])
    assert digest(config, tmp_path) == golden
