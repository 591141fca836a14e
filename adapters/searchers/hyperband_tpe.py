"""Hyperband's brackets, filled by Optuna's TPE: similar to BOHB, with another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.searchers import hyperband
from adapters.searchers.brackets import Rounding, Sizes
from adapters.searchers.hyperband import Halving, brackets_of
from harness.searchers.contract import BlackBoxMethod, SearchContext, Trial
from harness.settings import Count, Share, Whole, setting
from harness.spaces import AnySpace, Epochs

if TYPE_CHECKING:
    from adapters.searchers.tpe import TpeModel


@dataclass(frozen=True)
class HyperbandTpeSettings(hyperband.HyperbandSettings):
    """The settings of hyperband-tpe; the defaults are those of NAS-Bench-201's BOHB."""

    sizes: Sizes = setting(
        "floor",
        "rounding of a bracket's first number of architectures: floor as in HpBandSter, "
        "ceil as in Li et al. 2018",
    )
    rounding: Rounding = setting(
        "down",
        "numbers of epochs that the table lacks are replaced by the next larger or smaller one",
    )
    num_samples: Count = setting(
        4,
        "candidates drawn from the density of good results, of which the one with the "
        "best ratio is taken",
    )
    random_fraction: Share = setting(0.0, "share of architectures that are drawn uniformly")
    minimum_observations: Whole = setting(
        0,
        "results that a fidelity needs before it is modelled; 0 for 2 * (decisions + 1), "
        "the number at which HpBandSter has both its densities",
    )


class HyperbandTpe:
    """Hyperband with new architectures from a model of the highest fidelity that has one.

    After BOHB (Falkner et al. 2018; AutoDL-Projects ``exps/NATS-algos/bohb.py`` on the unmaintained
    HpBandSter). Brackets, rounding, number of samples, random fraction and the choice of the
    modelled fidelity are BOHB's. The model is Optuna's multivariate ``TPESampler``, which calls the
    best tenth of the results good, at most 25 (BOHB: 15 percent and at least decisions + 1),
    smooths categories with a prior in place of fitted bandwidths, and draws candidates from the
    good density itself. So BOHB's ``bandwidth_factor``, ``min_bandwidth`` and ``top_n_percent`` do
    not exist here, and results are to be reported as hyperband-tpe.
    """

    def __init__(self, context: SearchContext, settings: HyperbandTpeSettings) -> None:
        brackets = brackets_of("hyperband-tpe", context.fidelities, settings)
        self._context, self._settings = context, settings
        self._halving = Halving(brackets, self._suggest)
        self._enough = settings.minimum_observations or 2 * (len(context.space.decisions) + 1)
        self._models: dict[Epochs, TpeModel] = {}

    def ask(self) -> Trial:
        """The next trial of the bracket."""
        return self._halving.ask()

    def tell(self, trial: Trial, validation: float, cost: float) -> None:
        """Pass the result to the bracket and to the model of its fidelity."""
        self._halving.tell(trial, validation, cost)
        if trial.epochs not in self._models:
            self._models[trial.epochs] = self._new_model()
        choices = self._context.space.to_decisions(trial.architecture)
        self._models[trial.epochs].add(choices, validation)

    def _new_model(self) -> TpeModel:
        from adapters.searchers.tpe import TpeModel

        seed = int(self._context.rng.integers(2**32))
        return TpeModel(self._context.space.decisions, self._settings.num_samples, seed)

    def _suggest(self) -> Any:
        space, rng = self._context.space, self._context.rng
        ready = [epochs for epochs, model in self._models.items() if model.size >= self._enough]
        if not ready or rng.random() < self._settings.random_fraction:
            return space.sample(rng)
        return space.from_decisions(self._models[max(ready)].draw())


def _check(space: AnySpace, fidelities: Sequence[Epochs], settings: HyperbandTpeSettings) -> None:
    brackets_of("hyperband-tpe", fidelities, settings)


METHOD = BlackBoxMethod(
    summary="Hyperband's brackets filled by Optuna's TPE, similar to BOHB",
    source="after Falkner et al. 2018, with Optuna's TPE; settings of NAS-Bench-201's BOHB",
    settings=HyperbandTpeSettings,
    create=HyperbandTpe,
    multi_fidelity=True,
    check=_check,
)
