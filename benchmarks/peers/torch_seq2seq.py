"""The seq2seq model of `pairs` in PyTorch, as its users write it.

Run by the interpreter of the peers, see `processes.peer_process`.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import rnn

# Padding, the start of an answer, its end.
_PADDING, _BEGIN, _END = 0, 1, 2
_FIRST = 3


class _Network(nn.Module):
    def __init__(self, settings: dict[str, Any]):
        super().__init__()
        units, embedding, dropout = settings["units"], settings["embedding"], settings["dropout"]
        layers = settings["layers"]
        self.source = nn.Embedding(settings["source_size"], embedding, padding_idx=_PADDING)
        self.target = nn.Embedding(settings["target_size"], embedding, padding_idx=_PADDING)
        self.encoder = nn.LSTM(embedding, units, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.decoder = nn.LSTM(embedding, units, batch_first=True)
        self.query = nn.Linear(units, 2 * units, bias=False)
        self.hidden = nn.Linear(3 * units, units)
        self.output = nn.Linear(units, settings["target_size"])
        self.dropout = nn.Dropout(dropout)

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        padding = source == _PADDING
        lengths = (~padding).sum(1)
        packed = rnn.pack_padded_sequence(
            self.dropout(self.source(source)), lengths, batch_first=True, enforce_sorted=False
        )
        memory, _ = rnn.pad_packed_sequence(self.encoder(packed)[0], batch_first=True, total_length=source.shape[1])
        return self.dropout(memory), padding

    def forward(self, memory: Any, begun: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        values, padding = memory
        output, state = self.decoder(self.dropout(self.target(begun)), state)
        output = self.dropout(output)
        scores = self.query(output) @ values.transpose(1, 2) / values.shape[-1] ** 0.5
        read = scores.masked_fill(padding[:, None], -1e9).softmax(-1) @ values
        hidden = self.hidden(torch.cat([output, read], -1)).tanh()
        return self.output(self.dropout(hidden)), state


def _training(networks: nn.ModuleList, settings: dict[str, Any]) -> Callable[[], None]:
    """Returns what trains an epoch, with batches of pairs of like lengths."""
    pairs = [
        tuple(
            torch.cat([torch.randint(_FIRST, size, [length]), torch.tensor([_END])])
            for length, size in zip(lengths, (settings["source_size"], settings["target_size"]), strict=True)
        )
        for lengths in settings["lengths"]
    ]
    pairs.sort(key=lambda pair: (len(pair[0]), len(pair[1])))
    batches = [pairs[start : start + settings["batch_size"]] for start in range(0, len(pairs), settings["batch_size"])]
    optimizer = torch.optim.AdamW(
        networks.parameters(), settings["learning_rate"], betas=(0.9, 0.98), weight_decay=settings["weight_decay"]
    )

    def epoch() -> None:
        networks.train()
        for index in torch.randperm(len(batches)).tolist():
            source, target = (rnn.pad_sequence(side, batch_first=True) for side in zip(*batches[index], strict=True))
            begun = torch.cat([torch.full([len(target), 1], _BEGIN), target[:, :-1]], 1)
            optimizer.zero_grad()
            loss = sum(
                nn.functional.cross_entropy(
                    network(network.encode(source), begun)[0].flatten(0, 1),
                    target.flatten(),
                    ignore_index=_PADDING,
                    label_smoothing=settings["label_smoothing"],
                )
                for network in networks
            )
            loss.backward()
            nn.utils.clip_grad_norm_(networks.parameters(), settings["clip_norm"])
            optimizer.step()

    return epoch


def _answering(networks: nn.ModuleList, settings: dict[str, Any]) -> Callable[[], None]:
    """Returns what answers inputs of `length` tokens greedily, with so many tokens, several times."""
    rows, length, times = (int(settings[name]) for name in ("rows", "length", "times"))
    networks.eval()
    source = torch.randint(_FIRST, settings["source_size"], [rows, length + 1])
    source[:, -1] = _END

    @torch.inference_mode()
    def answer() -> torch.Tensor:
        memories = [network.encode(source) for network in networks]
        states: list[Any] = [None] * len(networks)
        token, done = torch.full([rows, 1], _BEGIN), torch.zeros([rows], dtype=torch.bool)
        log_prob, said = torch.zeros([rows]), []
        for step in range(length + 1):
            found = []
            for index, network in enumerate(networks):
                logits, states[index] = network(memories[index], token, states[index])
                found.append(logits[:, 0].softmax(-1))
            probabilities = torch.stack(found).mean(0)
            # As our model in this comparison: the end comes last.
            probabilities[:, _END] += 2.0 if step == length else -2.0
            best, index_of_best = probabilities.max(-1)
            log_prob += torch.where(done, 0.0, best.clamp(1e-9).log())
            said.append(index_of_best)
            done |= index_of_best == _END
            if done.all():
                break
            token = index_of_best[:, None]
        return torch.stack(said, 1)

    def work() -> None:
        for _ in range(times):
            answer()

    return work


def main() -> None:
    """Does its work whenever a line comes, and answers with the seconds of processor time that it took."""
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = nn.ModuleList(_Network(settings) for _ in range(settings["members"]))
    work = _training(networks, settings) if "lengths" in settings else _answering(networks, settings)
    for _ in sys.stdin:
        begin = time.process_time()
        work()
        print(time.process_time() - begin, flush=True)


if __name__ == "__main__":
    main()
