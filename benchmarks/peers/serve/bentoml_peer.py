"""BentoML, JSON over HTTP at /predict."""

# mypy: ignore-errors

import os
import subprocess
import sys

import bentoml
from common import MAX_BATCH_SIZE, load


# The waiting time is BentoML's own estimate; what can be set is how long a request may take in all.
@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Sums:
    """Answers sums."""

    def __init__(self):
        self.answer = load(os.environ["MODEL_DIR"])

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=60_000)
    def predict(self, text: list[str]) -> list[dict]:
        """Answers a batch."""
        return self.answer(text)


if __name__ == "__main__":
    here, name = os.path.split(os.path.abspath(__file__))
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        f"{name[:-3]}:Sums",
        "--host",
        "127.0.0.1",
        "--port",
        sys.argv[1],
    ]
    subprocess.run(command, cwd=here, env=os.environ | {"MODEL_DIR": sys.argv[2]}, check=True)
