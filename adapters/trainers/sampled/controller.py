"""ENAS's controller: a recurrent network that makes an architecture's decisions one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.randomness.on_torch import torch_seeded

_SMALL = ("start", "lstm.weight_ih_l0", "lstm.weight_hh_l0")
_Choose = Callable[[int, Tensor], Tensor]
"""A function of the number of a decision and its logits: the choice, shape (1,)."""


class Draw(NamedTuple):
    """A draw of the controller.

    choices: a number for each decision. log_probability, entropy: summed over the decisions,
    scalars, nats; gradients flow through the first."""

    choices: tuple[int, ...]
    log_probability: Tensor
    entropy: Tensor


class Controller(nn.Module):
    """An LSTM with the last choice as input; its output gives the logits of the next one.

    As in AutoDL-Projects (``search_model_enas_utils.py``): logits are divided by the temperature,
    then squashed to ``tanh_constant``. Decisions with equally many choices share their embedding
    and their output layer, as all do in NAS-Bench-201, for which it was published. The input
    vector, the first layer's matrices, embeddings and output matrices start uniform within 0.1,
    everything else by torch's default, within 1 / sqrt(width).
    """

    def __init__(
        self,
        decisions: Sequence[int],
        generator: torch.Generator,
        *,
        layers: int = 2,
        width: int = 32,
        tanh_constant: float = 2.5,
        temperature: float = 5.0,
    ) -> None:
        super().__init__()
        self.decisions = tuple(decisions)
        self._tanh_constant, self._temperature = tanh_constant, temperature
        counts = sorted(set(self.decisions))
        # Modules draw weights from torch's own generator when made; these are replaced below.
        with torch_seeded(0):
            self.start = nn.Parameter(torch.empty(1, 1, width))
            self.lstm = nn.LSTM(width, width, layers)
            self.embeddings = nn.ModuleDict(
                {str(each): nn.Embedding(each, width) for each in counts}
            )
            self.outputs = nn.ModuleDict({str(each): nn.Linear(width, each) for each in counts})
        self.to(generator.device)
        with torch.no_grad():
            for name, weights in self.named_parameters():
                small = name.endswith(".weight") or name in _SMALL
                bound = 0.1 if small else width**-0.5
                weights.uniform_(-bound, bound, generator=generator)

    def draw(self, generator: torch.Generator) -> Draw:
        """An architecture drawn decision by decision, each given those before it."""
        return self._decide(
            lambda number, logits: torch.multinomial(logits.softmax(0), 1, generator=generator)
        )

    def greedy(self) -> tuple[int, ...]:
        """The most likely choices one by one, the first of equals."""
        with torch.no_grad():
            return self._decide(lambda number, logits: logits.argmax().view(1)).choices

    def judge(self, choices: Sequence[int]) -> Draw:
        """The draw with given choices: their log-probability, and the entropy along them."""
        given = torch.tensor(choices, device=self.start.device)
        return self._decide(lambda number, logits: given[number : number + 1])

    def _decide(self, choose: _Choose) -> Draw:
        state, x = None, self.start
        choices, log_probability, entropy = [], self.start.new_zeros(()), self.start.new_zeros(())
        for number, count in enumerate(self.decisions):
            output, state = self.lstm(x, state)
            logits = self.outputs[str(count)](output).view(-1) / self._temperature
            logits = self._tanh_constant * torch.tanh(logits)
            odds = torch.log_softmax(logits, 0)
            choice = choose(number, logits.detach())
            choices.append(int(choice))
            log_probability = log_probability + odds[choice[0]]
            entropy = entropy - (odds.exp() * odds).sum()
            x = self.embeddings[str(count)](choice).view(1, 1, -1)
        return Draw(tuple(choices), log_probability, entropy)
