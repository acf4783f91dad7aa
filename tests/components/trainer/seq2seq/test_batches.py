"""Batches of like lengths."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.seq2seq.batches import Buckets, training_batches, validation_batches
from components.trainer.seq2seq.pairs import Rows, TokenPairs
from components.transform.token_pairs import BEGIN, END

lengths = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=120)


def make_pairs(lengths):
    """Pairs whose tokens say which pair it is."""
    source, target = ([[4 + number] * row[side] for number, row in enumerate(lengths)] for side in (0, 1))
    return TokenPairs(*(Rows.of(rows, 4 + len(lengths)) for rows in (source, target)))


def some_lengths(count, seed=0):
    random = np.random.default_rng(seed)
    source = random.integers(1, 30, count)
    return [(int(n), int(n + m)) for n, m in zip(source, random.integers(0, 4, count), strict=True)]


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_every_epoch_has_every_pair_once_and_whole(lengths, batch_size, most, epoch):
    pairs = make_pairs(lengths)
    buckets = Buckets(pairs, batch_size, most)
    rows, shapes = buckets.order(3, epoch)
    assert sorted(rows[rows >= 0].tolist()) == list(range(len(pairs)))
    assert rows.shape == (buckets.steps, batch_size)
    assert len(buckets.shapes) <= most
    for batch, shape in zip(rows, shapes, strict=True):
        assert shape.tolist() in buckets.shapes.tolist()
        for row in batch[batch >= 0]:
            assert pairs.source.lengths[row] <= shape[0]
            assert pairs.target.lengths[row] <= shape[1]


def test_a_batch_is_what_the_pairs_say():
    lengths = some_lengths(50)
    pairs = make_pairs(lengths)
    seen = []
    for (source, begun), targets, weights in (
        training_batches(pairs, Buckets(pairs, 8, 3), 1, 0).take(7).as_numpy_iterator()
    ):
        assert (begun[:, 0] == BEGIN).all()
        assert (begun[:, 1:] == targets[:, :-1]).all()
        assert (weights == (targets != 0)).all()
        for source_row, target_row in zip(source.tolist(), targets.tolist(), strict=True):
            if not any(source_row):
                assert not any(target_row)  # fills the last batch
                continue
            number = source_row[0] - 4
            seen.append(number)
            for row, length in zip((source_row, target_row), lengths[number], strict=True):
                assert row == [4 + number] * length + [END] + [0] * (len(row) - length - 1)
    assert sorted(seen) == list(range(50))


def test_the_order_from_an_epoch_on_does_not_depend_on_having_seen_those_before():
    pairs = make_pairs(some_lengths(40))
    buckets = Buckets(pairs, 8, 2)

    def batches(seed, epoch, skip):
        dataset = training_batches(pairs, buckets, seed, epoch).skip(skip).take(5)
        return [(source.tolist(), targets.tolist()) for (source, _), targets, _ in dataset.as_numpy_iterator()]

    assert batches(1, 0, 10) == batches(1, 2, 0)
    assert batches(1, 0, 0) != batches(1, 1, 0)
    assert batches(1, 0, 0) != batches(2, 0, 0)


def test_more_shapes_have_less_padding_and_one_long_pair_does_not_make_all_long():
    pairs = make_pairs([*some_lengths(500), (900, 900)])

    def computed(most):
        buckets = Buckets(pairs, 10, most)
        _, shapes = buckets.order(1, 0)
        return shapes.sum() * 10

    needed = pairs.source.lengths.sum() + pairs.target.lengths.sum()
    long_batch = 10 * (901 + 901)
    sizes = [computed(most) for most in (1, 2, 3, 5)]
    assert sizes == sorted(sizes, reverse=True)
    assert computed(1) == 51 * long_batch
    assert computed(5) < long_batch + 1.3 * needed


def test_validation_has_every_pair_once_and_one_shape():
    pairs = make_pairs(some_lengths(300))
    batches = list(validation_batches(pairs).as_numpy_iterator())
    assert len({(source.shape, begun.shape) for (source, begun), _, _ in batches}) == 1
    numbers = [row[0] - 4 for (source, _), _, _ in batches for row in source.tolist() if any(row)]
    assert numbers == list(range(300))
