"""Prompts that are typed otherwise than the training text was: cleaned in the graph, by the model that is served."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from charseq_client import Client
from charseq_client.answers import PredictionError
from charseq_client.text import Sampling, generate
from components.cleaning.settings import Cleaning
from components.trainer.language_model.export import LanguageModel
from components.trainer.language_model.settings import StreamSettings
from components.trainer.language_model.streams import Streams, build_stream_model
from components.transform.preprocessing import read_vocabulary
from components.transform.text import preprocessing_fn
from pipeline.local.server import local_server
from tests.components.session import Session

pytestmark = pytest.mark.model

TEXT = "déjà élève, forêt près du château: été à Hélène \ufffd?\n"
CLEANING = Cleaning(byte_order_mark=True, line_ends=True, lowercase=True, nfc=True)
SETTINGS = StreamSettings(units=8, embedding=4, max_length=60)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Saves an untrained model of the text; returns its folder."""
    spec = {name: tf.io.FixedLenFeature([1], tf.string) for name in ("context", "text")}
    spec["position"] = tf.io.FixedLenFeature([1], tf.int64)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    rows = [{"context": [b""], "text": [TEXT.lower().encode()], "position": [0]}]
    folder = tmp_path_factory.mktemp("cleaned prompts")
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        transform_fn | tft_beam.WriteTransformFn(str(folder / "transform"))
    transform_output = tft.TFTransformOutput(str(folder / "transform"))
    size = len(read_vocabulary(transform_output))
    model = build_stream_model(SETTINGS, size)
    characters = Streams(SETTINGS).character_model(model, np.full(size, 1 / size))

    def save(name, cleaning, stand_in):
        path = folder / "served" / name / "1"
        LanguageModel(model, transform_output, characters, SETTINGS.max_length, cleaning, stand_in).save(str(path))
        return path

    return save


@pytest.fixture(scope="module")
def saved(export):
    return export("genuine", CLEANING, False)


@pytest.fixture(scope="module")
def served(saved):
    return Session(str(saved))


@pytest.fixture(scope="module")
def served_stand_in(export):
    return Session(str(export("stand-in", CLEANING, True)))


def write(served, *prompts):
    how = {"length": [20], "temperature": [1.0], "top_k": [0], "top_p": [1.0], "seed": [4]}
    return served("serving_default", prompt=list(prompts), **how)["text"].tolist()


def refusal(served, text):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        served("score", text=[text])
    return error.value.message


@pytest.mark.parametrize("typed", ["de\u0301ja\u0300 e\u0301", "\ufeffdéjà é", "DÉJÀ É", "\ufeffDE\u0301jà é"])
def test_a_prompt_is_answered_however_it_is_typed(served, typed):
    texts = write(served, "déjà é", typed, "forêt")
    assert texts[1] == texts[0] == write(served, "déjà é")[0]


def test_line_ends_and_lengths_are_those_of_the_cleaned_text(served):
    scores = served("score", text=["été\nà", "E\u0301te\u0301\r\nà"])
    assert scores["characters"].tolist() == [5, 5]
    assert scores["log_prob"][0] == scores["log_prob"][1]
    assert len(write(served, "e\u0301" * 60)) == 1
    assert "text[0] (after cleaning: " in refusal(served, "e\u0301" * 61)
    assert "has 61 characters: this model reads at most 60" in refusal(served, "e\u0301" * 61)


def test_a_refusal_names_what_nobody_could_see_and_says_what_positions_count(served):
    assert "text[0]: character U+200B ZERO WIDTH SPACE at position 5 is unknown" in refusal(served, "déjà\u200b")
    message = refusal(served, "de\u0301ja\u0300\u200b")
    assert "text[0] (after cleaning: " in message
    assert "NFC): character U+200B ZERO WIDTH SPACE at position 5 is unknown" in message


def test_a_replacement_character_of_the_text_itself_is_a_character(served, served_stand_in):
    assert served("score", text=["\ufffd?"])["characters"].tolist() == [2]
    assert "what stands at character 3 is not UTF-8" in refusal(served, b"\xef\xbf\xbd?\xff")
    assert "character U+FFFD REPLACEMENT CHARACTER at position 2 is unknown" in refusal(served_stand_in, "é\ufffd")
    assert "what stands at character 2 is not UTF-8" in refusal(served_stand_in, b"?\xff")


def test_only_a_replacement_character_of_the_text_itself_is_written(served, served_stand_in):
    how = {"length": [60], "temperature": [3.0], "top_k": [0], "top_p": [1.0], "seed": [*range(50)]}
    written, without = (
        b"".join(model("serving_default", prompt=["é"] * 50, **how)["text"]).decode()
        for model in (served, served_stand_in)
    )
    assert "\ufffd" in written
    assert "\ufffd" not in without


def test_only_a_replacement_character_that_stands_for_others_is_judged_as_one_of_many(served, served_stand_in):
    def judge(model, text):
        example = tf.train.Example()
        for name, value in (("context", ""), ("text", text)):
            example.features.feature[name].bytes_list.value.append(value.encode())
        example.features.feature["position"].int64_list.value.append(0)
        return model("evaluate", examples=[example.SerializeToString()])["log_prob"][0]

    known = len(set(TEXT.lower()))
    scored = served("score", text=["é\ufffd?"])["log_prob"][0]
    assert judge(served, "é\ufffd?") == pytest.approx(scored, abs=1e-4)
    # Surrogates left out, and without U+FFFD, which is none of the known here.
    others = 0x110000 - 0x800 - (known - 1)
    assert judge(served_stand_in, "é\ufffd?") == pytest.approx(scored - np.log(others), abs=1e-4)
    assert judge(served, "é中?") == pytest.approx(judge(served_stand_in, "é中?"), abs=1e-4)


@pytest.mark.e2e
def test_the_built_in_server_cleans_too(saved):
    with local_server(str(saved.parent.parent)) as address, Client(address, timeout=60) as client:
        client.wait_until_available("genuine")
        prompts = ["été", unicodedata.normalize("NFD", "Été")]
        sampling = Sampling(30, 1.0, seed=2)
        first, second = generate(client, prompts, sampling, model="genuine").strings("text")
        assert first == second
        with pytest.raises(PredictionError, match="U\\+200B ZERO WIDTH SPACE"):
            generate(client, ["\u200b"], Sampling(3), model="genuine")
