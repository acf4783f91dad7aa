"""One worker of a training on several machines: `python -m components.trainer.worker`, once for each entry of TF_CONFIG.

It runs the Trainer's run function on what Transform has made. Worker 0 writes the model and the checkpoints; the folder of
checkpoints is one that all workers see, so that all go on from the same epoch when one of them had to be replaced.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence

from components.example_gen.splits import TRAIN_SPLIT, VALIDATION_SPLIT
from components.trainer.workers import is_chief, worker_strategy


def main(argv: Sequence[str]) -> None:
    """Trains.

    Args:
      argv: See --help. Folders are local ones or gs://.
    """
    parser = argparse.ArgumentParser(prog="python -m components.trainer.worker", allow_abbrev=False)
    parser.add_argument(
        "--run_fn", default="components.trainer.fixed_length.trainer.run_fn", help="the Trainer's run function"
    )
    parser.add_argument("--examples", required=True, help="folder of Transform's output transformed_examples")
    parser.add_argument("--transform_graph", required=True, help="folder of Transform's output transform_graph")
    parser.add_argument("--custom_config", required=True, help="the Trainer's custom_config, as JSON")
    parser.add_argument("--output", required=True, help="folder that gets the model and the run's files")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    worker_strategy()  # before anything else that TensorFlow does

    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.utils import import_utils

    module, _, function = args.run_fn.rpartition(".")
    run_fn = import_utils.import_func_from_module(module, function)
    with tempfile.TemporaryDirectory() as scratch:
        output = args.output if is_chief() else scratch
        run_fn(
            FnArgs(
                train_files=[os.path.join(args.examples, f"Split-{TRAIN_SPLIT}", "*")],
                eval_files=[os.path.join(args.examples, f"Split-{VALIDATION_SPLIT}", "*")],
                transform_output=args.transform_graph,
                transform_graph_path=args.transform_graph,
                serving_model_dir=os.path.join(output, "Format-Serving"),
                model_run_dir=os.path.join(output, "model_run"),
                custom_config=json.loads(args.custom_config),
            )
        )


if __name__ == "__main__":
    main(sys.argv[1:])
