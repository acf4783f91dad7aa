"""References 2 and 3 in PyTorch, as its users write them: run by the interpreter of the peers, see `processes.peer_process`."""

import json
import sys

import torch
from torch import nn

_UNITS = 128
_BATCH = 128


class _Model(nn.Module):
    def __init__(self, vocabulary: int, outputs: int):
        super().__init__()
        self.outputs = outputs
        self.encoder = nn.LSTM(vocabulary, _UNITS, batch_first=True)
        if outputs:
            self.decoder = nn.LSTM(_UNITS, _UNITS, batch_first=True)
        self.logits = nn.Linear(_UNITS, vocabulary)

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        state = self.encoder(one_hot)[1][0][0]  # (batch, units)
        if not self.outputs:
            return self.logits(state)
        return self.logits(self.decoder(state[:, None].expand(-1, self.outputs, -1))[0])


def main() -> None:
    """Trains as many epochs as asked for whenever a line comes, and answers with the examples that went through."""
    settings = json.loads(sys.argv[1])
    vocabulary, inputs, outputs = settings["vocabulary"], settings["inputs"], settings["outputs"]
    examples, epochs = settings["examples"], settings["epochs"]
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    model = _Model(vocabulary, outputs)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3) if outputs else torch.optim.RMSprop(model.parameters(), 0.01)
    questions = torch.eye(vocabulary)[torch.randint(vocabulary, [examples, inputs])]
    answers = torch.randint(vocabulary, [examples, max(outputs, 1)])
    for _ in sys.stdin:
        for _ in range(epochs):
            for batch in torch.randperm(examples).split(_BATCH):
                optimizer.zero_grad()
                logits = model(questions[batch]).reshape(-1, vocabulary)
                nn.functional.cross_entropy(logits, answers[batch].reshape(-1)).backward()
                optimizer.step()
        print(epochs * examples, flush=True)


if __name__ == "__main__":
    main()
