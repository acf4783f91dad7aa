"""One run of a task in a process of its own that says where the time goes, see `benchmarks.pipeline`.

python -m benchmarks.programs.pipeline_run '{"task": "sums", "set": [], "root": "..."}'
"""

import builtins
import contextlib
import json
import sys
import threading
import time
from types import ModuleType
from typing import Any


class ImportTimer:
    """Adds up the seconds of imports, those within an import once.

    Attributes:
      seconds: So far, in all threads.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._import = builtins.__import__
        self._within = threading.local()

    def install(self) -> None:
        """Measures every import statement from now on."""
        builtins.__import__ = self._timed

    def _timed(self, name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if getattr(self._within, "depth", 0):
            return self._import(name, *args, **kwargs)
        self._within.depth = 1
        begin = time.perf_counter()
        try:
            return self._import(name, *args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - begin
            self._within.depth = 0


def main() -> None:
    """Runs the task and prints seconds and import seconds of each part as the last line, JSON."""
    begin = time.perf_counter()
    imports = ImportTimer()
    imports.install()
    from pipeline.local.imports import importing

    with importing():
        from pipeline.config.task_files import load_task
        from pipeline.local.run import run_task
        from pipeline.places import Places
        from pipeline.run_observer import RunObserver

    settings = json.loads(sys.argv[1])
    parts: dict[str, tuple[float, float]] = {}
    last = (begin, 0.0)

    def end(part: str) -> None:
        nonlocal last
        now = time.perf_counter(), imports.seconds
        parts[part] = now[0] - last[0], now[1] - last[1]
        last = now

    class Parts(RunObserver):
        def on_plan(self, components: list[str]) -> None:
            end("wiring the components")

        def on_done(self, component: str, seconds: float, cached: bool) -> None:
            end(component)

    end("starting")
    with contextlib.redirect_stdout(sys.stderr):
        config = load_task(settings["task"], settings["set"])
        result = run_task(config, Places(settings["root"]), Parts())
    end("report")
    training = result.metrics.get("train_seconds", 0.0)
    print(json.dumps({"parts": parts, "training": training}))


if __name__ == "__main__":
    main()
