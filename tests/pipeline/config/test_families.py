"""Families: ours, and one that another distribution registers by its entry point and that no code here knows."""

import json
import re
import sys
from pathlib import Path

import pytest

from components.evaluator.settings import GateSettings
from components.example_gen.settings import PairsData
from components.settings import SettingsError
from components.trainer.seq2seq.settings import Seq2SeqSettings
from pipeline.config.task_files import dump_config, list_tasks, load_task, restore_config
from pipeline.families import family_of, find_family, list_families
from pipeline.families.pairs.family import PairsConfig
from pipeline.places import Places

ROOT = Path(__file__).parents[3]

FAMILY = """
import dataclasses

from components.evaluator.settings import Figure, GateSettings, Judging
from components.example_gen.splits import SplitData
from components.settings import SettingsError
from components.trainer.fixed_length.settings import RecurrentSettings
from pipeline.config.settings import Config
from pipeline.families.family import Family, Floors


@dataclasses.dataclass(frozen=True)
class ReversalData(SplitData):
    words: tuple[str, ...] = dataclasses.field(default=("words.txt",), metadata={"paths": True})
    longest: int = 8
    width: int = dataclasses.field(default=0, metadata={"derived": "data.longest"})

    def __post_init__(self):
        super().__post_init__()
        if self.longest < 1:
            raise SettingsError(f"data.longest is {self.longest}; it must be at least 1")
        object.__setattr__(self, "width", self.longest + 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReversalConfig(Config):
    family: str = "reversal"
    data: ReversalData
    train: RecurrentSettings
    gate: GateSettings


class ReversalFamily(Family):
    name = "reversal"
    summary = "words backwards"
    config_class = ReversalConfig
    request_fn = "components.infra_validator.requests.answer_requests"

    def example_gen(self, data):
        from components.example_gen.component import SumsExampleGen
        from components.example_gen.settings import SumsData

        return SumsExampleGen(SumsData(largest=data.longest))

    def transform_arguments(self, config):
        return {
            "preprocessing_fn": "components.transform.preprocessing.preprocessing_fn",
            "custom_config": {"input_length": config.data.width, "output_length": config.data.width},
        }

    def judging(self, config):
        figures = (Figure("exact_match", "components.evaluator.metrics.Share"),)
        return Judging("answer", figures, (), config.gate.slices, config.gate.rule)

    def floors(self, config):
        return Floors("reversal.floors.copy_fn", "{}")


FAMILY = ReversalFamily()
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution in a folder of its own, as pip leaves one."""
    site = tmp_path / "site"
    (site / "reversal").mkdir(parents=True)
    (site / "reversal" / "__init__.py").write_text(FAMILY)
    (site / "reversal" / "schema.pbtxt").write_text("")
    metadata = site / "charseq_reversal-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: charseq-reversal\nVersion: 1.0\n")
    entry_points = "reversal = reversal:FAMILY\nbroken = reversal:NOTHING\nmissing = nowhere.at_all:FAMILY\n"
    (metadata / "entry_points.txt").write_text(f"[charseq.families]\n{entry_points}")
    monkeypatch.syspath_prepend(site)
    yield tmp_path
    sys.modules.pop("reversal", None)


def test_no_file_outside_a_familys_folder_asks_which_family_or_task_it_has():
    names = "|".join([*list_families(), *list_tasks()])
    kinds = "SumsData|PairsData|TextData|SeriesData|DatesData|[A-Za-z]*GateSettings|LanguageModelSettings|TrainSettings"
    asks = re.compile(
        rf"isinstance\([^)]*\b({kinds})\b|(family|task) *(==|!=|in|not in) *[(\[{{]?['\"]({names})['\"]"
        rf"|case ['\"]({names})['\"]"
    )
    asking = [
        f"{path}:{number}: {line}"
        for folder in ("components", "pipeline", "serving", "data", "client")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".js") and not path.is_relative_to(ROOT / "pipeline" / "families")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert asking == []


def test_ours_are_those_of_the_built_in_tasks():
    assert list_families()[:5] == ["sums", "pairs", "dates", "text", "series"]
    families = {load_task(task, ("data.files=x.tsv",) if task == "pairs" else ()).family for task in list_tasks()}
    assert families <= set(list_families())
    for name in families:
        assert find_family(name).name == name
        assert find_family(name).summary


def test_a_family_of_another_distribution_is_found_by_its_entry_point(installed):
    with pytest.raises(ImportError):
        __import__("pipeline.families.reversal")
    assert "reversal" in list_families()
    family = find_family("reversal")
    assert (family.name, family.summary) == ("reversal", "words backwards")
    assert family.schema_path == str(installed / "site" / "reversal" / "schema.pbtxt")
    assert family_of({"family": "reversal"}) is family


def test_its_tasks_are_files_like_ours(installed):
    path = installed / "mine.toml"
    path.write_text('family = "reversal"\n[data]\nwords = ["a/*.txt", "b.txt"]\nlongest = 5\n[train]\nunits = 9')
    config = load_task(str(path), ["train.epochs=3"])
    assert (config.task, config.family) == ("mine", "reversal")
    assert config.data.words == (str(installed / "a/*.txt"), str(installed / "b.txt"))
    assert config.data.width == 7
    assert (config.train.units, config.train.epochs) == (9, 3)
    # What travels names no file, and what follows from other settings is not set twice.
    assert restore_config(dump_config(config)) == config
    assert restore_config(dump_config(config), ["data.longest=6"]).data.width == 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[data]\nlongest = 0", "mine.toml: data.longest is 0; it must be at least 1"),
        (
            "[data]\nwidth = 9",
            "mine.toml: data.width is not set by itself: it follows from data.longest; set that",
        ),
        ("[data]\nlargest = 9", "mine.toml: data has no 'largest'; "),
        ("[ngram]\norder = 3", "mine.toml: there is no section or key 'ngram'; "),
        ("[train]\nheads = 3", "mine.toml: train has no 'heads'; "),
    ],
)
def test_its_mistakes_are_named_like_ours(installed, monkeypatch, content, said):
    monkeypatch.chdir(installed)
    (installed / "mine.toml").write_text(f'family = "reversal"\n{content}')
    with pytest.raises(SettingsError) as error:
        load_task("mine.toml")
    assert str(error.value).startswith(said)


def test_its_pipeline_is_wired_by_what_it_says_of_itself(installed):
    from pipeline.create_pipeline import create_pipeline

    path = installed / "mine.toml"
    path.write_text('family = "reversal"\n[data]\nlongest = 5\n[gate]\nslices = ["digits"]')
    components = {c.id: c for c in create_pipeline(load_task(str(path)), Places(str(installed / "runs"))).components}
    assert components["Floor"].spec.exec_properties["floor_fn"] == "reversal.floors.copy_fn"
    assert components["InfraValidator"].spec.exec_properties["model_name"] == "mine"
    evaluator = components["Evaluator"].spec
    assert json.loads(evaluator.exec_properties["figures"]) == ["exact_match"]
    assert evaluator.inputs["floor"].producer_component_id == "Floor"
    assert json.loads(components["Transform"].spec.exec_properties["custom_config"]) == {
        "input_length": 7,
        "output_length": 7,
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "the family 'broken' cannot be loaded from reversal:NOTHING: module 'reversal' has no attribute"),
        ("missing", "the family 'missing' cannot be loaded from nowhere.at_all:FAMILY: No module named 'nowhere'"),
        ("other", "there is no family 'other'; there are sums, pairs, dates, text, series, reversal, broken, missing"),
    ],
)
def test_one_that_cannot_be_loaded_is_said_and_ours_still_can(installed, name, said):
    with pytest.raises(SettingsError) as error:
        find_family(name)
    assert str(error.value).startswith(said)
    assert family_of({"family": name}) is None
    assert find_family("sums").name == "sums"


@pytest.mark.parametrize("nfc", [True, False])
def test_a_model_cleans_as_the_examples_are_cleaned(nfc):
    pairs = PairsConfig(
        task="mine", data=PairsData(("pairs.csv",), nfc=nfc), train=Seq2SeqSettings(), gate=GateSettings()
    )
    text = load_task("text", [f"data.nfc={nfc}", "data.lowercase=true"])
    cleaning = {
        config.family: find_family(config.family).train_config(config)["cleaning"]
        for config in (pairs, text, load_task("sums"))
    }
    assert {name for name, does in cleaning["pairs"].items() if does} == {"byte_order_mark"} | (
        {"nfc"} if nfc else set()
    )
    assert cleaning["text"] == {"byte_order_mark": True, "line_ends": True, "lowercase": True, "nfc": nfc}
    assert not any(cleaning["sums"].values())


@pytest.mark.parametrize(("min_count", "stand_in"), [(1, False), (2, True)])
def test_the_model_and_its_floor_agree_on_what_a_replacement_character_is(min_count, stand_in):
    config = load_task("text", [f"data.min_count={min_count}"])
    family = find_family("text")
    assert family.train_config(config)["stand_in"] is stand_in
    assert json.loads(family.floors(config).settings)["stand_in"] is stand_in
