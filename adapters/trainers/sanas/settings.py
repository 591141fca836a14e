"""The settings that SANAS adds to those of its base trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.trainers.sanas.maps import MapSettings
from harness.errors import HarnessError
from harness.settings import Count, NotNegative, Rate, setting


@dataclass(frozen=True)
class SanasSettings(MapSettings):
    """The defaults are those of Section 3.1; "not published" marks those outside the paper."""

    gamma: NotNegative = setting(2.0, "weight of the first network's validation loss (Eq. 4)")
    second_weight: NotNegative = setting(
        1.0,
        "weight of the second network's validation loss, 1 in Eq. 4; 0 leaves the second "
        "network out, which with alpha_every 1 gives the base",
    )
    alpha_every: Count = setting(5, "batches between steps of alpha")
    second_every: Count = setting(3, "batches between steps of the second network")
    reweighting: Literal["product", "absolute", "addition", "concatenation", "none"] = setting(
        "product",
        "input of the second network: image times map, image times the map's magnitude, "
        "image plus map, both as channels, or the image alone (Table 4)",
    )
    valid_images: Literal["plain", "reweighted"] = setting(
        "plain",
        "validation images of the second network: as they are (Eq. 4), or reweighted; with "
        "concatenation always reweighted",
    )
    optimisation: Literal["joint", "separate", "multi-task"] = setting(
        "joint",
        "all levels in turn (joint); the first network alone, then the others with it "
        "fixed (separate); or levels one to three as one sum (multi-task; Table 7)",
    )
    separate_share: Rate = setting(
        0.5, "separate: share of the epochs for the first network alone; not published"
    )
    first_task: NotNegative = setting(1.0, "multi-task weight of the first network's training loss")
    saliency_task: NotNegative = setting(0.5, "multi-task weight of the attack's objective")
    second_task: NotNegative = setting(
        1.0, "multi-task weight of the second network's training loss"
    )

    def check_together(self) -> None:
        """Raises HarnessError for an alpha without a loss, and for maps without an objective."""
        super().check_together()
        if not self.gamma and not self.second_weight:
            raise HarnessError("gamma and second_weight are both 0, and alpha would have no loss")
        if self.optimisation == "multi-task" and self.saliency != "adversarial":
            raise HarnessError(
                f"saliency {self.saliency} has no objective to add up; multi-task needs adversarial"
            )
