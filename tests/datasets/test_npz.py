"""Images in a .npz file, as arrays and as JPEG files."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from adapters.datasets.npz import CIFAR10_JPEG, NPZ
from harness.datasets import Split
from harness.errors import HarnessError
from tests.datasets.archives import made_up
from tests.datasets.test_official_files import same_images, whole_train

TRAIN, TEST = made_up(9, seed=4, classes=3, size=16), made_up(4, seed=5, classes=3, size=16)


def save(path: Path, **changes: Any) -> Path:
    arrays = {
        "train_images": TRAIN.images,
        "train_labels": TRAIN.labels,
        "test_images": TEST.images,
        "test_labels": TEST.labels,
    } | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_arrays_are_read_back(order: str, tmp_path: Path) -> None:
    changes = {}
    if order == "NHWC":
        changes = {
            "train_images": TRAIN.images.transpose(0, 2, 3, 1),
            "test_images": TEST.images.transpose(0, 2, 3, 1),
        }
    dataset = NPZ.load(save(tmp_path / "mine.npz", **changes).parent)
    same_images(whole_train(dataset), TRAIN)
    same_images(dataset.splits["test"], TEST)
    assert [len(split.labels) for split in dataset.splits.values()] == [4, 5, 4]
    assert dataset.classes == 3
    assert "mine.npz (unverified; its SHA-256 is " in dataset.provenance


def test_the_normalisation_is_that_of_the_training_half(tmp_path: Path) -> None:
    dataset = NPZ.load(save(tmp_path / "mine.npz"))
    pixels = dataset.splits["train"].images / 255
    assert dataset.normalisation is not None
    np.testing.assert_allclose(dataset.normalisation.mean, pixels.mean((0, 2, 3)))
    np.testing.assert_allclose(dataset.normalisation.std, pixels.std((0, 2, 3)))
    normalised = dataset.normalised("train")
    np.testing.assert_allclose(normalised.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std((0, 2, 3)), 1, atol=1e-5)
    assert normalised.dtype == np.float32


def test_grey_images_need_no_channel(tmp_path: Path) -> None:
    path = save(
        tmp_path / "grey.npz", train_images=TRAIN.images[:, 0], test_images=TEST.images[:, 0]
    )
    assert NPZ.load(path).splits["train"].images.shape == (4, 1, 16, 16)


def jpeg(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[Any]]:
    """The files in a row, where they begin, and what they decode to."""
    files = []
    for image in images:
        buffer = BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG")
        files.append(buffer.getvalue())
    decoded = [np.asarray(Image.open(BytesIO(file))).transpose(2, 0, 1) for file in files]
    offsets = np.cumsum([0, *map(len, files)])
    return np.frombuffer(b"".join(files), np.uint8), offsets, decoded


def save_jpeg(path: Path, **changes: Any) -> tuple[Path, list[Any], list[Any]]:
    raw, offsets, train = jpeg(TRAIN.images)
    test_raw, test_offsets, test = jpeg(TEST.images)
    arrays = {
        "train_images": None,
        "test_images": None,
        "train_bytes": raw,
        "train_offsets": offsets,
        "test_bytes": test_raw,
        "test_offsets": test_offsets,
    }
    return save(path, **(arrays | changes)), train, test


def test_jpeg_files_are_read_back(tmp_path: Path) -> None:
    _, train, test = save_jpeg(tmp_path / "cifar10_jpeg.npz")
    dataset = CIFAR10_JPEG.load(tmp_path)
    same_images(whole_train(dataset), Split(np.stack(train), TRAIN.labels))
    same_images(dataset.splits["test"], Split(np.stack(test), TEST.labels))
    assert (dataset.name, dataset.classes) == ("cifar10-jpeg", 10)


def test_a_file_ordered_by_class_is_not_split_by_class(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(4), 50)
    images = np.broadcast_to(labels[:, None, None].astype(np.uint8), (200, 8, 8))
    path = save(tmp_path / "sorted.npz", train_images=images, train_labels=labels,
                test_images=images, test_labels=labels)  # fmt: skip
    dataset = NPZ.load(path)
    for split in dataset.splits.values():
        assert len(set(split.labels[:30])) == 4
        np.testing.assert_array_equal(split.images[:, 0, 0, 0], split.labels)


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "lacks labels": ({"test_labels": None}, "has no array 'test_labels'"),
    "lacks images": ({"train_images": None}, "has no array 'train_bytes'"),
    "floats": ({"train_images": TRAIN.images / 255}, "are float64, not bytes"),
    "oblong": ({"test_images": TEST.images[:, :, :8]}, r"have shape \(4, 3, 8, 16\)"),
    "objects": ({"train_labels": np.array([None] * 9)}, "is damaged or cut short"),
    "few labels": ({"train_labels": TRAIN.labels[1:]}, "has 9 images and 8 labels"),
    "negative labels": ({"train_labels": TRAIN.labels - 1}, "has labels -1 to 1"),
    "real labels": ({"train_labels": TRAIN.labels / 2}, "not a row of whole numbers"),
    "flat": ({"train_images": TRAIN.images * 0}, "all pixels are the same"),
    "other size": ({"test_images": TEST.images[:, :, :8, :8]}, "square images of one size"),
}


@pytest.mark.parametrize(("changes", "message"), BROKEN.values(), ids=BROKEN)
def test_wrong_arrays_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz", **changes)
    with pytest.raises(HarnessError, match=message) as caught:
        NPZ.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_offsets": np.array([0, 5, 3])}, "do not ascend"),
        ({"test_offsets": np.array([0, 10**9])}, "do not ascend within their bytes"),
        ({"test_offsets": np.array([0, 3, 6, 9, 12])}, "is damaged or cut short"),
        ({"test_bytes": np.zeros(10**5, np.uint8)}, "is damaged or cut short"),
    ],
)
def test_wrong_jpeg_files_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path, _, _ = save_jpeg(tmp_path / "cifar10_jpeg.npz", **changes)
    with pytest.raises(HarnessError, match=message) as caught:
        CIFAR10_JPEG.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 50, 3000])
def test_a_truncated_file_is_refused(kept: int, tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(HarnessError, match=r"mine\.npz is damaged or cut short"):
        NPZ.load(path)


@pytest.mark.parametrize("name", ["noise", "array", "pickle"])
def test_what_is_no_npz_file_is_refused_in_plain_words(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    if name == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(1000))
    elif name == "pickle":
        path.write_bytes(pickle.dumps({"train_labels": [1, 2]}))
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(HarnessError, match=r"mine\.npz is damaged .*: it is not a \.npz file$"):
        NPZ.load(path)


def test_the_file_must_be_there_and_the_only_one(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"needs cifar10_jpeg\.npz in"):
        CIFAR10_JPEG.load(tmp_path)
    with pytest.raises(HarnessError, match=r"needs one \.npz file, not 0,"):
        NPZ.load(tmp_path)
    save(tmp_path / "a.npz")
    save(tmp_path / "b.npz")
    with pytest.raises(HarnessError, match=r"needs one \.npz file, not 2,"):
        NPZ.load(tmp_path)


@pytest.mark.realdata
def test_jpeg_cifar_10_is_cifar_10(real_data: Path, tmp_path: Path) -> None:
    """All labels, and every tenth image."""
    with np.load(real_data / "cifar10_jpeg.npz") as file:
        whole = {name: file[name] for name in file}
    assert np.bincount(whole["train_labels"]).tolist() == [5000] * 10
    assert np.bincount(whole["test_labels"]).tolist() == [1000] * 10
    tenth: dict[str, Any] = {}
    for part in ("train", "test"):
        starts, data = whole[f"{part}_offsets"], whole[f"{part}_bytes"]
        files = [data[starts[i] : starts[i + 1]] for i in range(0, len(starts) - 1, 10)]
        tenth |= {
            f"{part}_bytes": np.concatenate(files),
            f"{part}_offsets": np.cumsum([0, *map(len, files)]),
            f"{part}_labels": whole[f"{part}_labels"][::10],
        }
    np.savez(tmp_path / "cifar10_jpeg.npz", **tenth)
    dataset = CIFAR10_JPEG.load(tmp_path)
    assert dataset.splits["test"].images.shape == (1000, 3, 32, 32)
    train = whole_train(dataset)
    assert np.bincount(train.labels).tolist() == [500] * 10
    means = [train.images[:, channel].mean() / 255 for channel in range(3)]
    assert means == pytest.approx([0.4913, 0.4821, 0.4465], abs=0.003)
