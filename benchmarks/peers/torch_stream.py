"""The language model of `text` in PyTorch, as its users write it: an nn.LSTM whose state goes on from segment to segment.

It has no vectors of n-grams and no dropout of the recurrent kernel, for which nn.LSTM has no setting. Run by the interpreter of
the peers, see `processes.peer_process`.
"""

import json
import sys

import torch
from torch import nn


def main() -> None:
    """Trains as many steps as asked for whenever a line comes, and answers with the characters that went through."""
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    vocabulary, units, rows, segment = (settings[name] for name in ("vocabulary", "units", "batch_size", "segment"))
    embedding = nn.Embedding(vocabulary, settings["embedding"])
    lstm, logits = nn.LSTM(settings["embedding"], units), nn.Linear(units, vocabulary)
    dropout = nn.Dropout(settings["output_dropout"])
    weights = [*embedding.parameters(), *lstm.parameters(), *logits.parameters()]
    optimizer = torch.optim.AdamW(
        weights, settings["learning_rate"], betas=(0.9, settings["beta_2"]), weight_decay=settings["weight_decay"]
    )
    text = torch.randint(vocabulary, [settings["steps"] * segment + 1, rows])
    for _ in sys.stdin:
        state = None
        for step in range(settings["steps"]):
            begin = step * segment
            optimizer.zero_grad()
            outputs, state = lstm(embedding(text[begin : begin + segment]), state)
            state = tuple(part.detach() for part in state)
            said = logits(dropout(outputs)).flatten(0, 1)
            nn.functional.cross_entropy(said, text[begin + 1 : begin + 1 + segment].flatten()).backward()
            nn.utils.clip_grad_norm_(weights, settings["clip_norm"])
            optimizer.step()
        print(settings["steps"] * segment * rows, flush=True)


if __name__ == "__main__":
    main()
