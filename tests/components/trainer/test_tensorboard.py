"""What a training leaves for TensorBoard."""

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from components.trainer.fixed_length.settings import RecurrentSettings
from components.trainer.fixed_length.training import train
from components.trainer.tensorboard import TensorBoard

pytestmark = pytest.mark.model

SETTINGS = RecurrentSettings(units=8, batch_size=64, epochs=3, compiled=False)


def logged(folder):
    """From a tag to its steps and values."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        tag: [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


@pytest.mark.parametrize("histograms", [True, False])
def test_the_logs_are_those_of_keras(histograms, sums_arrays, tmp_path):
    ours = TensorBoard(str(tmp_path / "ours"), histograms)
    theirs = keras.callbacks.TensorBoard(tmp_path / "keras", histogram_freq=int(histograms), write_graph=False)
    train(SETTINGS, sums_arrays, sums_arrays, 12, str(tmp_path / "checkpoint"), [ours, theirs])
    for part in ("train", "validation"):
        one, other = logged(tmp_path / "ours" / part), logged(tmp_path / "keras" / part)
        assert one.keys() == other.keys()
        for tag in one:
            assert [step for step, _ in one[tag]] == [step for step, _ in other[tag]]
            for (_, value), (_, expected) in zip(one[tag], other[tag], strict=True):
                np.testing.assert_allclose(value, expected, err_msg=tag)
    histogram_tags = [tag for tag in logged(tmp_path / "ours" / "train") if tag.endswith("/histogram")]
    assert len(histogram_tags) == (8 if histograms else 0), "kernel and bias of each layer, twice for an LSTM"
