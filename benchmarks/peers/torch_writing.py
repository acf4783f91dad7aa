"""Text by an LSTM in PyTorch, as its users write the loop.

Run by the interpreter of the peers, see `processes.peer_process`.
"""

import json
import sys

import torch
from torch import nn


def main() -> None:
    """Writes texts whenever a line comes, and answers with their characters."""
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    vocabulary, prompts, length = settings["vocabulary"], settings["prompts"], settings["length"]
    embedding = nn.Embedding(vocabulary, settings["embedding"])
    lstm, logits = nn.LSTM(settings["embedding"], settings["units"]), nn.Linear(settings["units"], vocabulary)
    with torch.inference_mode():
        for _ in sys.stdin:
            token, state = torch.zeros(prompts, dtype=torch.long), None
            for _ in range(length):
                output, state = lstm(embedding(token)[None], state)
                token = torch.multinomial(logits(output[0]).softmax(-1), 1)[:, 0]
            print(prompts * length, flush=True)


if __name__ == "__main__":
    main()
