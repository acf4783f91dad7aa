"""Seeded pseudo-random functions on integers, vectorized: the same numbers on any machine, in any order, by any worker.

A value depends on its index and the seed alone, so a worker makes any range of examples without making those before it.
"""

import numpy as np
import numpy.typing as npt

from components.example_gen.settings import LARGEST_DOMAIN

UInt64Array = npt.NDArray[np.uint64]

# Luby and Rackoff: 4 rounds of a Feistel network with pseudo-random round functions are a strong pseudo-random
# permutation; two more cost little and cover the round function's being a mere mixer.
_FEISTEL_ROUNDS = 6


def mix(values: UInt64Array) -> UInt64Array:
    """Returns splitmix64's finalizer of each value, uint64: a bijection with good avalanche.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, constants of mix64variant13.
    """
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draw(indices: UInt64Array, seed: int, stream: int) -> UInt64Array:
    """Returns one 64-bit pseudo-random number for each index; other streams of one seed are independent."""
    key = mix(np.array([seed % 2**64], np.uint64)) ^ np.uint64((stream + 1) << 32)
    return mix(mix(indices) ^ mix(key))


def permute(indices: UInt64Array, domain: int, seed: int) -> UInt64Array:
    """Returns the images of `indices` under a pseudo-random permutation of `range(domain)` chosen by `seed`.

    A balanced Feistel network on the smallest power of four that holds the domain, with cycle walking (Black and Rogaway,
    "Ciphers with arbitrary finite domains", 2002): distinct indices have distinct images with no memory of the others.

    Args:
      indices: uint64, each below `domain`.
      domain: Size of the permuted range, 1 to 2**62.
      seed: Chooses the permutation.
    """
    if not 1 <= domain <= LARGEST_DOMAIN:
        raise ValueError(f"domain is {domain}; a permutation here has from 1 to 2**62 elements")
    half = np.uint64(max(1, ((domain - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    images = indices.copy()
    outside = np.ones(images.shape, bool)
    while outside.any():
        walking = images[outside]
        left, right = walking >> half, walking & mask
        for round_number in range(_FEISTEL_ROUNDS):
            left, right = right, left ^ (draw(right, seed, round_number) & mask)
        images[outside] = (left << half) | right
        outside[outside] = images[outside] >= np.uint64(domain)
    return images
