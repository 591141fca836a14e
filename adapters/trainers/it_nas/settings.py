"""The settings of IT-NAS, one for each choice that its text leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from harness.settings import NotNegative, Width, setting


@dataclass(frozen=True)
class ItNasSettings:
    """The defaults are ours where the paper leaves them open; docs/it-nas.md has the reasons."""

    token: Literal["pool", "project"] = setting(
        "pool",
        "a candidate's token: the mean of each channel (pool), or its whole map by a linear layer "
        "that the edge's candidates share (project)",
    )
    token_width: Width = setting(32, "width of projected tokens; pooled ones have the channels'")
    returned: Literal["weighted", "mean", "output-vector"] = setting(
        "weighted",
        "the edge's output: candidates weighted by the indicator's attention (weighted, "
        "Eq. 4 with the maps as values), their mean plus the encoder's mean output "
        "(mean), or their mean plus its output for the indicator (output-vector)",
    )
    residual: bool = setting(
        True,
        "with weighted: add the encoder's output for the indicator, a number for each "
        "channel; otherwise the layers behind the attention are left out",
    )
    position: Literal["learned", "sinusoidal", "none"] = setting(
        "learned",
        "position encoding: learned from zero, fixed waves, or none",
    )
    norm: Literal["post", "pre"] = setting(
        "post",
        "layer norm behind each residual sum (post) or before each layer (pre)",
    )
    feed_forward: Annotated[int, msgspec.Meta(ge=1, le=100)] = setting(
        2, "hidden width of the feed-forward network, in token widths"
    )
    indicator_scale: NotNegative = setting(
        0.02, "deviation of the indicator token's initial values"
    )
    none: Literal["auto", "keep", "drop"] = setting(
        "auto",
        "whether the operation none has a token: where an architecture may have it (auto), always "
        "(keep), never (drop)",
    )
    inputs_trained_on: Literal["train", "valid"] = setting(
        "train",
        "NAS-Bench-1Shot1: data of the alphas of inputs: the weights' batch, in the same "
        "pass (train), or validation batches in turn with the weights, as in DARTS "
        "(valid)",
    )
    alpha_learning_rate: NotNegative = setting(
        3e-4, "NAS-Bench-1Shot1: Adam's learning rate for alphas of inputs"
    )
    alpha_weight_decay: NotNegative = setting(
        1e-3, "NAS-Bench-1Shot1: weight decay of alphas of inputs, inside Adam"
    )
    alpha_scale: NotNegative = setting(
        1e-3, "NAS-Bench-1Shot1: deviation of the initial alphas of inputs"
    )
