"""Predictions of a trained model for people to look at."""

import dataclasses
import json
import os
from collections.abc import Sequence

import keras
import numpy as np

from components.files import write_file
from components.trainer.fixed_length.input_pipeline import TokenArrays
from components.trainer.run_files import SAMPLED_PREDICTIONS, SampledPrediction, spread


def write_predictions(model: keras.Model, eval_arrays: TokenArrays, vocabulary: Sequence[str], run_dir: str) -> None:
    """Writes predictions.json, of a seq2seq model, into `run_dir`: a list of SampledPredictions."""
    predictions = [dataclasses.asdict(sample) for sample in sample_predictions(model, eval_arrays, vocabulary)]
    content = json.dumps(predictions, indent=1, ensure_ascii=False)
    write_file(os.path.join(run_dir, "predictions.json"), content.encode())


def sample_predictions(model: keras.Model, arrays: TokenArrays, vocabulary: Sequence[str]) -> list[SampledPrediction]:
    """Returns answers to 40 examples spread over a split."""
    rows = spread(len(arrays), SAMPLED_PREDICTIONS)
    # Called, not model.predict, which would compile a function for this one batch.
    best = np.argmax(model(arrays.tokens[rows].astype(np.int32), training=False), axis=-1)
    return [
        SampledPrediction(*("".join(vocabulary[index] for index in indices) for indices in example))
        for example in zip(arrays.tokens[rows], arrays.targets[rows], best, strict=True)
    ]
