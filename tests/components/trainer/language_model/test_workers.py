"""A carried state under several workers: each has the streams that are its own."""

import dataclasses

import pytest
import tensorflow as tf

from components.example_gen.splits import TRAIN_SPLIT, VALIDATION_SPLIT
from components.trainer.language_model.streams import CarriedState, build_stream_model
from tests.components.trainer.language_model.conftest import SMALL
from tests.components.trainer.test_workers import assert_same, run

SETTINGS = dataclasses.replace(SMALL, output_dropout=0.0, ngram_dropout=0.0, epochs=3, keep="best_val_loss")


@pytest.fixture
def transformed(transform_output, tokens, tmp_path):
    """Transform's outputs: the text as windows of 32 characters."""
    for split in (TRAIN_SPLIT, VALIDATION_SPLIT):
        folder = tmp_path / "transformed" / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "examples.gz"), "GZIP") as writer:
            for begin in range(0, 1_024, 32):
                example = tf.train.Example()
                values = {"tokens$ragged_values": tokens[begin : begin + 32], "scored": [32], "position": [begin]}
                for name, numbers in values.items():
                    example.features.feature[name].int64_list.value.extend(map(int, numbers))
                writer.write(example.SerializeToString())
    return tmp_path / "transformed", transform_output._transform_output_dir


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_two_workers_carry_the_states_of_one_process(transformed, tmp_path):
    more = {"cleaning": {}, "stand_in": False}
    one, two = (run(transformed, tmp_path / str(count), count, SETTINGS, **more) for count in (1, 2))
    assert_same(two, one)


def test_streams_that_devices_cannot_share_out_equally_are_refused(monkeypatch):
    core = build_stream_model(SMALL, 5)
    monkeypatch.setattr(type(tf.distribute.get_strategy()), "num_replicas_in_sync", 3)
    with pytest.raises(
        ValueError, match=r"train.batch_size is 8, which 3 devices cannot share out equally; set it to a m"
    ):
        CarriedState(core, 8, True)
