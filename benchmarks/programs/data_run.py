"""One measurement of the data components, in a process of its own, see `benchmarks.data`.

python -m benchmarks.programs.data_run '{"side": "ours", "count": 100000, "workers": 2, "folder": "..."}'
"""

import json
import os
import sys

from pipeline.config.task_files import load_task
from pipeline.places import Places


def main() -> None:
    """Runs the components up to Transform and prints the seconds of each as the last line, JSON."""
    settings = json.loads(sys.argv[1])
    assignments = [f"data.{name}={value}" for name, value in settings["data"].items()]
    config = load_task(settings["task"], [*assignments, f"beam.workers={settings['workers']}"])
    places = Places(os.path.join(settings["folder"], "root"))
    os.makedirs(places.root)
    config.beam.prepare()
    from benchmarks.programs.data_pipeline import run  # as `charseq run` does: the workers import meanwhile

    print(json.dumps(run(settings, config, places)))


if __name__ == "__main__":
    main()
