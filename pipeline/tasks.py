"""The named tasks: each a complete configuration that a reader can hold against its description in docs/tasks.md."""

import dataclasses

from components.evaluator.settings import GateSettings, TextGateSettings
from components.example_gen.settings import PairsData, SumsData, TextData
from components.settings import SettingsError
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.settings import TrainSettings
from pipeline.config import Config

_SUMS_SLICES = ("digits", "carries")

SUMS_SIMPLE_RNN = Config(
    task="sums-simple-rnn",
    summary="reference 1: SimpleRNN encoder and decoder, early stopping, large batch",
    # The description leaves the number of examples open; with 20,000 drawn of 9,801 sums most are seen.
    data=SumsData(count=20_000, eval_fraction=0.2),
    train=TrainSettings(architecture="simple_rnn", batch_size=256, epochs=200, patience=10),
    gate=GateSettings(exact_match=0.5, slices=_SUMS_SLICES),
)

SUMS_LSTM = Config(
    task="sums-lstm",
    summary="reference 2: LSTM 128 encoder and decoder, Adam 0.001, batch 128, 200 epochs, 5,000 examples",
    data=SumsData(count=5_000, eval_fraction=0.1),
    train=TrainSettings(architecture="lstm", batch_size=128, epochs=200),
    gate=GateSettings(exact_match=0.8, slices=_SUMS_SLICES),
)

_ATTENTION = TrainSettings(
    architecture="attention",
    units=64,
    learning_rate=4e-3,
    warmup=0.1,
    weight_decay=0.1,
    beta_2=0.98,
    clip_norm=1.0,
    # In one XLA call a step of 32 takes half the time of one of 64: twice the steps for nothing.
    batch_size=32,
    drop_remainder=True,
    epochs=40,
    validate_every=5,
    histograms=False,
)

SUMS = Config(
    task="sums",
    summary="ours: two-digit sums, trained on one half of all 9,801, judged on the other",
    data=SumsData(count=9_801, distinct=True, eval_fraction=0.5),
    train=_ATTENTION,
    gate=GateSettings(exact_match=0.98, slices=_SUMS_SLICES),
)

SUMS_3_DIGITS = Config(
    task="sums-3-digits",
    summary="ours: sums of 1 to 999, 50,000 training examples",
    data=SumsData(largest=999, count=60_000, distinct=True, eval_fraction=1 / 6),
    train=dataclasses.replace(_ATTENTION, batch_size=64, epochs=20),
    gate=GateSettings(exact_match=0.98, slices=_SUMS_SLICES),
)

SUMS_5_DIGITS = Config(
    task="sums-5-digits",
    summary="ours: sums of 1 to 99,999, 540,000 training examples",
    data=SumsData(largest=99_999, count=550_000, distinct=True, eval_fraction=0.02),
    train=dataclasses.replace(_ATTENTION, batch_size=128, epochs=15, validate_every=3, steps_per_execution=100),
    gate=GateSettings(exact_match=0.95, slices=_SUMS_SLICES),
)

_CARRYING = LanguageModelSettings(
    inputs="embedding",
    embedding=64,
    units=448,
    predict="every",
    carry_state=True,
    batch_size=32,
    # Short, for more steps: what counts in the first epochs is their number.
    segment=64,
    output_dropout=0.2,
    weight_dropout=0.1,
    optimizer="muon",
    learning_rate=8e-3,
    warmup=0.03,
    weight_decay=0.02,
    beta_2=0.99,
    clip_norm=1.0,
    epochs=3,
    # A step takes a tenth of a second.
    steps_per_execution=20,
    histograms=False,
)

# Windows are only how the text is stored: training cuts it into segments of its own.
_WHOLE_TEXT = TextData(context=0, length=512, step=512, eval_context=512)

TEXT = Config(
    task="text",
    summary="ours: a language model of characters, of Python's own reference text or of any that you name",
    data=_WHOLE_TEXT,
    train=_CARRYING,
    gate=TextGateSettings(bits_per_character=2.2),
)

TEXT_LONG = Config(
    task="text-long",
    summary="ours, wider, with more training and more dropout: the best that we know for half a million characters",
    data=_WHOLE_TEXT,
    train=dataclasses.replace(
        _CARRYING, units=640, epochs=10, output_dropout=0.35, weight_dropout=0.3, weight_decay=0.05
    ),
    gate=TextGateSettings(bits_per_character=2.0),
)

TEXT_LSTM = Config(
    task="text-lstm",
    summary="reference 3: windows of 40 characters with step 3, LSTM 128, RMSprop 0.01, batch 128, 5 epochs",
    data=TextData(context=40, length=1, step=3, eval_context=40, eval_length=512),
    train=LanguageModelSettings(
        units=128,
        optimizer="rmsprop",
        learning_rate=0.01,
        batch_size=128,
        epochs=5,
        validate_every=5,
        plateau_factor=0.2,
        plateau_patience=1,
        smallest_learning_rate=0.001,
        keep="best_loss",
        steps_per_execution=50,
        histograms=False,
    ),
    gate=TextGateSettings(bits_per_character=2.6),
)

TEXT_LSTM_DROPOUT = Config(
    task="text-lstm-dropout",
    summary="reference 4: lowercase, windows of 100 characters, LSTM 256 with dropout 0.2, Adam, batch 128, 20 epochs",
    data=TextData(lowercase=True, context=100, length=1, step=1, eval_context=100, eval_length=512),
    train=LanguageModelSettings(
        inputs="scaled",
        units=256,
        output_dropout=0.2,
        batch_size=128,
        epochs=20,
        validate_every=20,
        keep="best_loss",
        temperatures=(1.0,),
        sample_length=100,
        steps_per_execution=50,
        histograms=False,
    ),
    gate=TextGateSettings(bits_per_character=3.5),
)

_TASKS = {
    config.task: config
    for config in (
        SUMS,
        SUMS_3_DIGITS,
        SUMS_5_DIGITS,
        SUMS_SIMPLE_RNN,
        SUMS_LSTM,
        TEXT,
        TEXT_LONG,
        TEXT_LSTM,
        TEXT_LSTM_DROPOUT,
    )
}

# Not a complete configuration: `--set data.pattern=...` completes it.
PAIRS = "pairs"
_PAIRS_SUMMARY = "your own pairs of strings: --set data.pattern='pairs/*.tsv' (TSV or JSONL)"


def list_tasks() -> dict[str, str]:
    """Returns the name and summary of every task, the default first."""
    return {name: config.summary for name, config in _TASKS.items()} | {PAIRS: _PAIRS_SUMMARY}


def find_task(name: str, assignments: tuple[str, ...] = ()) -> Config:
    """Returns a task's configuration, before any but the assignments that it cannot be made without.

    Args:
      name: Name of a task.
      assignments: As for `pipeline.config.override`; `pairs` needs data.pattern.

    Raises:
      SettingsError: There is no such task.
    """
    if name == PAIRS:
        pattern = next((a.partition("=")[2] for a in reversed(assignments) if a.startswith("data.pattern=")), "")
        return Config(
            task=PAIRS,
            summary=_PAIRS_SUMMARY,
            data=PairsData(pattern),
            train=_ATTENTION,
            gate=GateSettings(slices=("length",)),
        )
    if name not in _TASKS:
        raise SettingsError(f"there is no task {name!r}; there are {', '.join(list_tasks())}")
    return _TASKS[name]
