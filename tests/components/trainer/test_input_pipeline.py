"""The order in which training sees examples."""

import numpy as np
import pytest

from components.trainer.fixed_length import input_pipeline

pytestmark = pytest.mark.model


def batches(arrays, count, start_epoch=0, seed=3):
    dataset = input_pipeline.training_dataset(arrays, 32, False, seed, start_epoch)
    return [tokens.tolist() for tokens, _ in dataset.take(count).as_numpy_iterator()]


def test_every_epoch_has_every_example_once_in_another_order(sums_arrays):
    epochs = batches(sums_arrays, 8)
    first, second = ([tuple(row) for batch in epochs[i : i + 4] for row in batch] for i in (0, 4))
    assert sorted(first) == sorted(second) == sorted(map(tuple, sums_arrays.tokens.tolist()))
    assert first != second
    assert [len(batch) for batch in epochs[:4]] == [32, 32, 32, 4]


def test_the_order_from_an_epoch_on_does_not_depend_on_having_seen_those_before(sums_arrays):
    assert batches(sums_arrays, 12)[8:] == batches(sums_arrays, 4, start_epoch=2)
    assert batches(sums_arrays, 4, seed=4) != batches(sums_arrays, 4)


def test_which_examples_share_a_batch_is_decided_anew_in_every_epoch():
    examples, epochs, batch_size = 1_000, 200, 32
    arrays = input_pipeline.TokenArrays(*[np.arange(examples, dtype=np.uint16)[:, np.newaxis]] * 2)
    steps = input_pipeline.steps_per_epoch(examples, batch_size, False)
    dataset = input_pipeline.training_dataset(arrays, batch_size, False, 3, 0, at_a_time=steps)
    together = np.zeros([examples, examples], int)
    for tokens, _ in dataset.take(epochs).as_numpy_iterator():
        batch = np.empty(examples, int)
        batch[tokens[:, 0]] = np.arange(examples) // batch_size
        together += batch == batch[:, np.newaxis]
    met = together[np.triu_indices(examples, 1)]
    chance = met.mean() / epochs
    assert met.var() == pytest.approx(
        epochs * chance * (1 - chance), rel=0.02
    )  # binomial: each epoch a throw of its own


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_an_element_of_several_batches_has_their_rows_in_their_order(drop_remainder, sums_arrays):
    def rows(steps, at_a_time):
        dataset = input_pipeline.training_dataset(sums_arrays, 21, drop_remainder, 3, 1, at_a_time)
        elements = list(dataset.take(2 * steps // at_a_time).as_numpy_iterator())  # two epochs
        return [len(tokens) for tokens, _ in elements], *(
            np.concatenate(column) for column in zip(*elements, strict=True)
        )

    steps = input_pipeline.steps_per_epoch(len(sums_arrays), 21, drop_remainder)
    lengths, *one_by_one = rows(steps, 1)
    together, *all_at_once = rows(steps, steps)
    assert together == [sum(lengths[:steps])] * 2
    np.testing.assert_equal(all_at_once, one_by_one)
