"""The end of `make run`: serves what was pushed, asks it sums over gRPC, and shows whether the answers are right."""

import sys

from charseq_client import Client
from pipeline.local.server import local_server
from pipeline.places import DEFAULT_TASK, Places


def main(texts: list[str]) -> int:
    """Asks a server of its own for sums.

    Args:
      texts: Such as `12+34`.

    Returns:
      0 if all answers are right, else 1.
    """
    with local_server(Places().serving_dir) as address:
        return _ask(address, texts)


def _ask(address: str, texts: list[str]) -> int:
    print(f"\nserving on {address}; asking over gRPC:")
    with Client(address) as client:
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
