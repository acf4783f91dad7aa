"""The end of `make run`: serves what was pushed, asks it sums over gRPC, and shows whether the answers are right."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.places import DEFAULT_TASK, Places
from serving.client import Client
from serving.launch import server_command

_START_SECONDS = 60.0


def main(texts: list[str]) -> int:
    """Asks a server of its own for sums.

    Args:
      texts: Such as `12+34`.

    Returns:
      0 if all answers are right, else 1.
    """
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder, "ready.json")
        command = server_command(Places().serving_dir, port=0, ready_file=ready_file, executable="builtin")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                return _ask(_wait_for_port(server, command, ready_file), texts)
            finally:
                server.terminate()


def _wait_for_port(server: "subprocess.Popen[bytes]", command: list[str], ready_file: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while not ready_file.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the model server did not start; run it yourself to see why: {shlex.join(command)}")
        time.sleep(0.05)
    return int(json.loads(ready_file.read_text())["grpc_port"])


def _ask(port: int, texts: list[str]) -> int:
    print(f"\nserving on 127.0.0.1:{port}; asking over gRPC:")
    with Client(f"127.0.0.1:{port}") as client:
        client.wait_until_available(DEFAULT_TASK)
        prediction = client.predict({"text": texts}, model=DEFAULT_TASK)
    wrong = 0
    for text, answer in zip(texts, prediction.strings("text"), strict=True):
        right = answer == str(sum(int(number) for number in text.split("+")))
        wrong += not right
        print(f"  {text} = {answer}  {'✓' if right else '✗'}")
    print(f"answered by {prediction.model}, version {prediction.version}")
    print("now yourself: .venv/bin/charseq serve, and in another terminal: .venv/bin/charseq predict 12+34")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
