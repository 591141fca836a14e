"""The training frame: what depends on the epoch; and the draws of drop path."""

from __future__ import annotations

import pytest
import torch

from harness.protocols.frame import Frame
from harness.supernets.mixing import drop_path, kept_paths


def test_drop_path_grows_from_none_in_the_first_epoch_to_all_of_it_in_the_last() -> None:
    frame = Frame(epochs=5, drop_path=0.6)
    found = [frame.drop_path_at(epoch) for epoch in range(7)]
    assert found == pytest.approx([0.0, 0.15, 0.3, 0.45, 0.6, 0.6, 0.6])
    assert Frame(epochs=1, drop_path=0.6).drop_path_at(0) == 0.0


def test_a_share_of_images_and_paths_is_dropped_and_the_rest_scaled_up() -> None:
    images = torch.ones(3000, 2, 4, 4)
    kept = kept_paths(4, images, 0.2, torch.Generator().manual_seed(0))
    assert kept.shape == (4, 3000, 1, 1, 1)
    assert torch.equal(torch.unique(kept), torch.tensor([0.0, 1 / 0.8]))
    # Four standard deviations of a share of 3,000.
    assert (kept == 0).float().mean((1, 2, 3, 4)).numpy() == pytest.approx([0.2] * 4, abs=0.03)
    # Paths are drawn apart: two go together as often as chance has it.
    both = ((kept[0] == 0) & (kept[1] == 0)).float().mean()
    assert float(both) == pytest.approx(0.04, abs=0.015)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(drop_path(images, 0.2, generator), kept[0].expand_as(images))
