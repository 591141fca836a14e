"""Every official format, read back exactly; and what is missing, foreign or damaged."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.datasets.cifar import CIFAR10, CIFAR100, Cifar
from adapters.datasets.imagenet16 import DATASET as IMAGENET16
from adapters.datasets.svhn import DATASET as SVHN
from harness.datasets import SPLITS, DatasetAdapter, ImageDataset, Split
from harness.errors import HarnessError
from tests.datasets.archives import (
    Pickler,
    made_up,
    md5,
    packed,
    put,
    python_2,
    python_3,
    write_cifar,
    write_imagenet16,
    write_svhn,
)

TRAIN, TEST = made_up(20, seed=1), made_up(7, seed=2)
FORMS = [
    (CIFAR10, "cifar-10-python.tar.gz"),
    (CIFAR10, "cifar-10-batches-py"),
    (CIFAR10, "cifar-10-binary.tar.gz"),
    (CIFAR10, "cifar-10-batches-bin"),
    (CIFAR100, "cifar-100-python.tar.gz"),
    (CIFAR100, "cifar-100-python"),
    (CIFAR100, "cifar-100-binary.tar.gz"),
    (CIFAR100, "cifar-100-binary"),
]


def same_images(found: Split, wanted: Split) -> None:
    """The same pairs of image and label, in whatever order."""
    pairs = [
        sorted((image.tobytes(), int(label)) for image, label in zip(*split, strict=True))
        for split in (found, wanted)
    ]
    assert pairs[0] == pairs[1]


def whole_train(dataset: ImageDataset) -> Split:
    halves = [dataset.splits["train"], dataset.splits["valid"]]
    return Split(
        np.concatenate([half.images for half in halves]),
        np.concatenate([half.labels for half in halves]),
    )


@pytest.mark.parametrize(("real", "form"), FORMS, ids=[form for _, form in FORMS])
def test_cifar_is_read_back(real: Cifar, form: str, tmp_path: Path) -> None:
    adapter, files = write_cifar(real, TRAIN, TEST)
    dataset = adapter.load(put(tmp_path, files[form]))
    assert tuple(dataset.splits) == SPLITS
    assert [len(split.labels) for split in dataset.splits.values()] == [10, 10, 7]
    same_images(whole_train(dataset), TRAIN)
    np.testing.assert_array_equal(dataset.splits["test"].images, TEST.images)
    np.testing.assert_array_equal(dataset.splits["test"].labels, TEST.labels)
    assert all(split.images.flags.writeable for split in dataset.splits.values())
    assert (dataset.channels, dataset.resolution) == (3, 32)
    assert dataset.split_rule == "seeded-half"
    unverified = form in ("cifar-10-batches-bin", "cifar-100-binary")
    assert ("unverified" in dataset.provenance) == unverified


@pytest.mark.parametrize("pickler", [python_2, *map(python_3, range(5))])
def test_pickles_of_every_age_hold_the_same(pickler: Pickler, tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST, pickler)
    dataset = adapter.load(put(tmp_path, files["cifar-10-batches-py"]))
    np.testing.assert_array_equal(dataset.splits["test"].images, TEST.images)


def test_the_made_up_pickle_of_python_2_is_one() -> None:
    content = {"labels": [3, 4], "data": TEST.images[:2].reshape(2, -1)}
    found = pickle.loads(python_2(content), encoding="latin1")
    assert found["labels"] == [3, 4]
    np.testing.assert_array_equal(found["data"], content["data"])


def test_the_folder_of_the_files_may_be_named_itself(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-batches-py"])
    dataset = adapter.load(tmp_path / "cifar-10-batches-py")
    np.testing.assert_array_equal(dataset.splits["test"].images, TEST.images)


def test_both_versions_give_the_same_splits(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    one = adapter.load(put(tmp_path / "a", files["cifar-10-python.tar.gz"]))
    other = adapter.load(put(tmp_path / "b", files["cifar-10-binary.tar.gz"]))
    for name in SPLITS:
        np.testing.assert_array_equal(one.splits[name].images, other.splits[name].images)


def official_list(folder: Path, train: list[int], valid: list[int]) -> None:
    lists = {
        name: ["int", [str(number) for number in numbers]]
        for name, numbers in {"train": train, "valid": valid}.items()
    }
    (folder / "cifar-split.txt").write_text(json.dumps(lists))


def test_the_official_split_is_used_where_the_folder_has_it(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-python.tar.gz"])
    valid = [0, 3, 4, 7, 8, 9, 12, 15, 16, 19]
    train = sorted(set(range(20)) - set(valid))
    official_list(tmp_path, train, valid)
    dataset = adapter.load(tmp_path)
    assert dataset.split_rule == "official-201"
    assert "NAS-Bench-201's own halves" in dataset.provenance
    np.testing.assert_array_equal(dataset.splits["train"].images, TRAIN.images[train])
    np.testing.assert_array_equal(dataset.splits["valid"].labels, TRAIN.labels[valid])
    assert replace(adapter, split="seeded-half").load(tmp_path).split_rule == "seeded-half"


def test_cifar_100_is_never_split_by_the_list_of_cifar_10(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR100, TRAIN, TEST)
    put(tmp_path, files["cifar-100-python.tar.gz"])
    official_list(tmp_path, list(range(10)), list(range(10, 20)))
    assert adapter.load(tmp_path).split_rule == "seeded-half"


@pytest.mark.parametrize(
    "halves", [([0, 1], [2, 3]), (list(range(10)), list(range(9, 20))), (list(range(20)), [])]
)
def test_a_list_that_does_not_share_out_the_images_is_refused(
    halves: tuple[list[int], list[int]], tmp_path: Path
) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-python.tar.gz"])
    official_list(tmp_path, *halves)
    with pytest.raises(HarnessError, match="does not share out 20 images"):
        adapter.load(tmp_path)


def test_the_rule_of_darts_takes_the_first_half(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-python.tar.gz"])
    dataset = replace(adapter, split="first-half").load(tmp_path)
    np.testing.assert_array_equal(dataset.splits["train"].images, TRAIN.images[:10])
    np.testing.assert_array_equal(dataset.splits["valid"].images, TRAIN.images[10:])


def test_svhn_is_read_back(tmp_path: Path) -> None:
    adapter = write_svhn(tmp_path, TRAIN, TEST)
    dataset = adapter.load(tmp_path)
    same_images(whole_train(dataset), TRAIN)
    np.testing.assert_array_equal(dataset.splits["test"].images, TEST.images)
    np.testing.assert_array_equal(dataset.splits["test"].labels, TEST.labels)
    assert 0 in TEST.labels


@pytest.mark.parametrize("pickler", [python_2, python_3(4)])
def test_imagenet16_keeps_the_first_120_classes(pickler: Pickler, tmp_path: Path) -> None:
    images = made_up(12, seed=3, size=16).images
    parts = [
        (images[:4], [1, 120, 121, 0]),
        (images[4:8], [200, 2, 3, 119]),
        (images[8:], [7, 255, 120, 1]),
    ]
    dataset = write_imagenet16(tmp_path, parts, pickler).load(tmp_path)
    same_images(whole_train(dataset), Split(images[[0, 1, 5, 6, 7]], np.array([0, 119, 1, 2, 118])))
    np.testing.assert_array_equal(dataset.splits["test"].images, images[[8, 10, 11]])
    assert dataset.splits["test"].labels.tolist() == [6, 119, 0]
    assert dataset.resolution == 16


ALL: list[tuple[DatasetAdapter, str]] = [
    (CIFAR10, "cifar-10-python.tar.gz"),
    (CIFAR100, "cifar-100-python.tar.gz"),
    (SVHN, "train_32x32.mat"),
    (IMAGENET16, "train_data_batch_1"),
]


@pytest.mark.parametrize(("adapter", "file"), ALL)
def test_a_missing_file_is_named(adapter: DatasetAdapter, file: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="nothing is downloaded") as caught:
        adapter.load(tmp_path)
    assert file in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("adapter", "file"), ALL)
def test_a_wrong_checksum_is_refused(adapter: DatasetAdapter, file: str, tmp_path: Path) -> None:
    put(tmp_path, {file: b"something else"})
    found = md5(b"something else")
    with pytest.raises(HarnessError, match=f"{file} is not the official file") as caught:
        adapter.load(tmp_path)
    assert f"its MD5 is {found}, published is" in str(caught.value)


def test_an_unpacked_release_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-batches-py"])
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(HarnessError, match=r"needs data_batch_3 in .*cifar-10-batches-py"):
        adapter.load(tmp_path)


def test_a_binary_file_cut_between_or_within_records_is_refused(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-batches-bin"])
    file = tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(HarnessError, match=r"data_batch_2\.bin is damaged or cut short"):
        adapter.load(tmp_path)
    file.write_bytes(whole[:-3073])
    with pytest.raises(HarnessError, match=r"data_batch_2\.bin holds 3 images, not 4"):
        adapter.load(tmp_path)


@pytest.mark.parametrize("kept", [0, 30, 2000])
def test_a_truncated_archive_is_refused(kept: int, tmp_path: Path) -> None:
    """Even where its checksum is the expected one."""
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    raw = files["cifar-10-binary.tar.gz"]["cifar-10-binary.tar.gz"][:kept]
    put(tmp_path, {"cifar-10-binary.tar.gz": raw})
    adapter = replace(adapter, versions=(replace(adapter.versions[1], md5=md5(raw)),))
    with pytest.raises(HarnessError, match=r"cifar-10-binary\.tar\.gz is damaged or cut short"):
        adapter.load(tmp_path)


def test_an_archive_without_a_file_is_refused(tmp_path: Path) -> None:
    adapter, _ = write_cifar(CIFAR10, TRAIN, TEST)
    raw = packed({"cifar-10-batches-bin/data_batch_1.bin": b"", "../../escape": b"evil"})
    put(tmp_path, {"cifar-10-binary.tar.gz": raw})
    adapter = replace(adapter, versions=(replace(adapter.versions[1], md5=md5(raw)),))
    with pytest.raises(HarnessError, match="it lacks cifar-10-batches-bin/data_batch_2"):
        adapter.load(tmp_path)
    assert not (tmp_path.parent.parent / "escape").exists()


def test_a_truncated_mat_file_is_refused(tmp_path: Path) -> None:
    adapter = write_svhn(tmp_path, TRAIN, TEST)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:500])
    adapter = replace(adapter, train=adapter.train._replace(md5=md5(path.read_bytes())))
    with pytest.raises(HarnessError, match=r"train_32x32\.mat is damaged or cut short") as caught:
        adapter.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    adapter, files = write_cifar(CIFAR10, Split(TRAIN.images, TRAIN.labels + 1), TEST)
    put(tmp_path, files["cifar-10-python.tar.gz"])
    with pytest.raises(HarnessError, match=r"labels .* to 10; they must lie in 0 to 9"):
        adapter.load(tmp_path)


def test_the_folder_comes_from_the_variable_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, files = write_cifar(CIFAR10, TRAIN, TEST)
    put(tmp_path, files["cifar-10-python.tar.gz"])
    monkeypatch.delenv("NAS_HARNESS_DATA", raising=False)
    with pytest.raises(HarnessError, match="name their folder with --data or NAS_HARNESS_DATA"):
        adapter.load()
    monkeypatch.setenv("NAS_HARNESS_DATA", str(tmp_path))
    assert adapter.load().name == "cifar10"
    with pytest.raises(HarnessError, match=r"the folder .* does not exist"):
        adapter.load(tmp_path / "nowhere")
