"""Augmentation in batches: against a loop over single images, and by its properties."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from adapters.datasets.digits import DATASET as DIGITS
from harness.datasets import SPLITS, ImageDataset, Normalisation, Split
from harness.errors import HarnessError
from harness.training.augmentation import Augmentation, batches, to_device
from tests.datasets.archives import made_up

CPU = torch.device("cpu")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(count: int, size: int = 8) -> Tensor:
    """Images in which every pixel is another number, none of them 0."""
    return torch.arange(1, count * 3 * size * size + 1.0).reshape(count, 3, size, size)


def bytes_dataset(count: int = 6) -> ImageDataset:
    rule = Normalisation((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
    splits = {name: made_up(count, seed) for seed, name in enumerate(SPLITS)}
    return ImageDataset("bytes", 10, splits, "made up", "none", "none", rule)


@given(count=st.integers(1, 5), seed=st.integers(0, 999))
def test_nothing_switched_on_changes_and_draws_nothing(count: int, seed: int) -> None:
    generator = seeded(seed)
    before = generator.get_state()
    images = numbered(count)
    assert torch.equal(Augmentation(0, False, 0).apply(images, generator), images)
    assert torch.equal(generator.get_state(), before)


@given(padding=st.integers(1, 9), flip=st.booleans(), seed=st.integers(0, 999))
def test_each_image_is_a_crop_of_its_padded_self(padding: int, flip: bool, seed: int) -> None:
    images = numbered(4)
    found = Augmentation(padding, flip, 0).apply(images, seeded(seed))
    for image, result in zip(images, found, strict=True):
        size = 8 + 2 * padding
        padded = torch.zeros(3, size, size)
        padded[:, padding:-padding, padding:-padding] = image
        crops = [
            padded[:, row : row + 8, column : column + 8]
            for row in range(2 * padding + 1)
            for column in range(2 * padding + 1)
        ]
        assert any(
            torch.equal(result, crop) or (flip and torch.equal(result, crop.flip(2)))
            for crop in crops
        )


def test_every_crop_is_drawn_about_as_often() -> None:
    image = numbered(1).expand(9000, -1, -1, -1)
    found = Augmentation(crop_padding=1).apply(image, seeded())
    _, counts = torch.unique(found[:, 0].flatten(1), dim=0, return_counts=True)
    assert len(counts) == 9
    assert counts.min() > 850
    assert counts.max() < 1150


def test_half_of_the_images_are_mirrored_and_mirroring_twice_is_nothing() -> None:
    images = numbered(2000, size=2)
    found = Augmentation(flip=True).apply(images, seeded())
    mirrored = (found == images.flip(3)).flatten(1).all(1)
    kept = (found == images).flatten(1).all(1)
    assert torch.equal(mirrored, ~kept)
    assert 900 < mirrored.sum() < 1100
    assert torch.equal(Augmentation(flip=True).apply(found, seeded()), images)


@given(side=st.integers(1, 12), seed=st.integers(0, 999))
def test_cutout_blanks_one_square_around_a_pixel(side: int, seed: int) -> None:
    """Half of the side before its centre, the rest from there on, within the image."""
    side *= 2
    blank = Augmentation(cutout=side).apply(torch.ones(40, 3, 16, 16), seeded(seed)) == 0
    assert torch.equal(blank[:, 0], blank[:, 1])
    assert torch.equal(blank[:, 0], blank[:, 2])
    wanted = {(max(centre - side // 2, 0), min(centre + side // 2, 16)) for centre in range(16)}
    for mask in blank[:, 0]:
        rows, columns = (torch.nonzero(mask.any(axis)).flatten() for axis in (1, 0))
        first, last = rows[0].item(), rows[-1].item() + 1
        left, right = columns[0].item(), columns[-1].item() + 1
        assert (first, last) in wanted
        assert (left, right) in wanted
        assert mask.sum() == (last - first) * (right - left)


def test_cutout_away_from_the_border_has_its_whole_area() -> None:
    blank = Augmentation(cutout=4).apply(torch.ones(3000, 1, 16, 16), seeded()) == 0
    inner = blank[:, 0, [0, -1]].logical_not().flatten(1).all(1)
    inner &= blank[:, 0, :, [0, -1]].logical_not().flatten(1).all(1)
    assert inner.sum() > 1000
    assert (blank[inner].flatten(1).sum(1) == 16).all()
    hits = blank.float().mean(0)[0]
    assert hits[4:12, 4:12].mean().item() == pytest.approx(16 / 256, rel=0.1)


def test_cutout_falls_on_the_share_of_images_that_is_asked_for() -> None:
    images = torch.ones(4000, 1, 8, 8)
    found = Augmentation(cutout=4, cutout_probability=0.25).apply(images, seeded())
    assert 900 < (found == 0).flatten(1).any(1).sum() < 1100
    assert torch.equal(Augmentation(cutout=4, cutout_probability=0).apply(images, seeded()), images)


def test_the_same_state_gives_the_same_images_and_another_one_others() -> None:
    augmentation, images = Augmentation(4, True, 4), numbered(16)
    first = augmentation.apply(images, seeded(1))
    assert torch.equal(first, augmentation.apply(images, seeded(1)))
    assert not torch.equal(first, augmentation.apply(images, seeded(2)))


@pytest.mark.parametrize("wrong", [(-1, False, 0), (0, False, 3), (0, False, -2), (0, False, 2, 2)])
def test_what_makes_no_sense_is_refused(wrong: tuple[int, bool, int]) -> None:
    with pytest.raises(HarnessError):
        Augmentation(*wrong)


def test_bytes_stay_bytes_on_the_device_and_batches_are_normalised() -> None:
    dataset = bytes_dataset()
    split = to_device(dataset.splits["valid"], dataset, CPU)
    assert split.images.dtype == torch.uint8
    assert len(split) == 6
    indices = torch.tensor([4, 0, 4])
    found = split.normalised(indices)
    assert found.dtype == torch.float32
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.49, 0.48, 0.45), (0.25, 0.24, 0.26)))
    pixels = torch.from_numpy(dataset.splits["valid"].images)[indices] / 255
    torch.testing.assert_close(found, (pixels - mean) / std)
    torch.testing.assert_close(
        split.normalised(torch.arange(6)), torch.from_numpy(dataset.normalised("valid"))
    )


def test_crops_of_bytes_are_padded_with_black() -> None:
    dataset = bytes_dataset()
    split = to_device(Split(np.zeros_like(dataset.splits["train"].images), np.zeros(6, np.int64)),
                      dataset, CPU)  # fmt: skip
    indices = torch.arange(6)
    found = split.augmented(indices, Augmentation(4, True, 0), seeded())
    assert torch.equal(found, split.normalised(indices))


def test_normalised_data_sets_are_left_as_they_are() -> None:
    digits = DIGITS.load()
    split = to_device(digits.splits["test"], digits, CPU)
    indices = torch.tensor([3, 1])
    assert split.black is None
    assert torch.equal(
        split.normalised(indices), torch.from_numpy(digits.splits["test"].images[[3, 1]])
    )
    assert split.augmented(indices, Augmentation(1, True, 2), seeded()).shape == (2, 1, 8, 8)


@given(count=st.integers(1, 50), batch=st.integers(1, 60), drop=st.booleans())
def test_an_epoch_meets_every_image_once(count: int, batch: int, drop: bool) -> None:
    found = [indices.tolist() for indices in batches(count, batch, seeded(), drop_last=drop)]
    sizes = [len(indices) for indices in found]
    whole, rest = divmod(count, batch)
    assert sizes == [batch] * whole + ([rest] if rest and not drop else [])
    met = sorted(chain.from_iterable(found))
    assert met == sorted(set(met))
    assert drop or met == list(range(count))


def test_images_and_normalisation_must_fit() -> None:
    dataset = bytes_dataset()
    with pytest.raises(HarnessError, match="must be float32"):
        ImageDataset("x", 10, dataset.splits, "", "")
    with pytest.raises(HarnessError, match="has 3 channels, its normalisation 1"):
        ImageDataset("x", 10, dataset.splits, "", "", "", Normalisation((0.5,), (0.5,)))
