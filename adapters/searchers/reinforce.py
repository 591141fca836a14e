"""REINFORCE: a policy gradient over independent decisions."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import exp, sqrt

from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import NotNegative, Rate, setting

FIRST_MOMENT, SECOND_MOMENT, EPSILON = 0.9, 0.999, 1e-8
"""Adam's constants: the defaults of ``torch.optim.Adam``, as in the published code."""
FIRST_REST, SECOND_REST = 1.0 - FIRST_MOMENT, 1.0 - SECOND_MOMENT


@dataclass(frozen=True)
class ReinforceSettings:
    """The settings of REINFORCE; the defaults are those of NATS-Bench."""

    learning_rate: NotNegative = setting(
        0.01, "Adam's learning rate; NATS-Bench uses 0.01, earlier scripts take it as an argument"
    )
    baseline_momentum: Rate = setting(
        0.9, "momentum of the moving average of rewards that is subtracted from the reward"
    )
    initial_deviation: NotNegative = setting(1e-3, "standard deviation of the initial logits")


class Reinforce:
    """A softmax for each decision, moved towards the choices of good architectures.

    Williams 1992, as in NAS-Bench-201 and NATS-Bench (AutoDL-Projects
    ``exps/NATS-algos/reinforce.py``): one architecture in each step, the reward is the validation
    accuracy in percent, and the baseline, a bias-corrected moving average, is updated by a reward
    *before* the advantage is computed from both, so that the first advantage is zero. A run answers
    with the best architecture it has seen.
    """

    def __init__(self, context: SearchContext, settings: ReinforceSettings) -> None:
        self._space, self._rng, self._settings = context.space, context.rng, settings
        self._epochs = context.fidelities[-1]
        self._policy = [
            _Softmax((settings.initial_deviation * self._rng.standard_normal(choices)).tolist())
            for choices in context.space.decisions
        ]
        self._steps = 0
        self._rewards = self._weight = 0.0

    def ask(self) -> Trial:
        """An architecture drawn from the policy."""
        uniform = self._rng.random(len(self._policy)).tolist()
        chosen = [row.choice(drawn) for row, drawn in zip(self._policy, uniform, strict=True)]
        return Trial(self._space.from_decisions(chosen), self._epochs)

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """One step of Adam on the policy gradient of this trial."""
        momentum = self._settings.baseline_momentum
        self._rewards = momentum * self._rewards + (1.0 - momentum) * validation
        self._weight = momentum * self._weight + (1.0 - momentum)
        advantage = validation - self._rewards / self._weight
        self._steps += 1
        rate = self._settings.learning_rate / (1.0 - FIRST_MOMENT**self._steps)
        correction = 1.0 - SECOND_MOMENT**self._steps
        chosen = self._space.to_decisions(trial.architecture)
        for row, choice in zip(self._policy, chosen, strict=True):
            row.ascend(choice, advantage, rate, correction)


class _Softmax:
    """The odds of one decision, and the moments of Adam for its logits.

    Plain lists: for the few choices of a decision they are quicker than arrays.
    """

    def __init__(self, logits: list[float]) -> None:
        self._logits = logits
        self._first = [0.0] * len(logits)
        self._second = [0.0] * len(logits)
        self._normalise()

    def _normalise(self) -> None:
        highest = max(self._logits)
        odds = [exp(logit - highest) for logit in self._logits]
        total = sum(odds)
        self.probabilities = [each / total for each in odds]

    def choice(self, uniform: float) -> int:
        """The choice that a number drawn from [0, 1) falls on."""
        last = len(self.probabilities) - 1
        return bisect_right(list(accumulate(self.probabilities)), uniform, hi=last)

    def ascend(self, choice: int, advantage: float, rate: float, correction: float) -> None:
        """Adam's step on -advantage * log(probability of choice).

        rate: the learning rate over the correction of the first moment; correction: that of the
        second.
        """
        first, second, logits = self._first, self._second, self._logits
        gradients = [advantage * probability for probability in self.probabilities]
        gradients[choice] -= advantage
        for index, gradient in enumerate(gradients):
            mean = first[index] = FIRST_MOMENT * first[index] + FIRST_REST * gradient
            square = SECOND_MOMENT * second[index] + SECOND_REST * gradient * gradient
            second[index] = square
            logits[index] -= rate * mean / (sqrt(square / correction) + EPSILON)
        self._normalise()


METHOD = BlackBoxMethod(
    summary="policy gradient over a softmax for each decision",
    source="Williams 1992; NAS-Bench-201 and NATS-Bench (Dong and Yang 2020; Dong et al. 2021)",
    settings=ReinforceSettings,
    create=Reinforce,
)
