"""One training: stored once, gone on with exactly, and what its protocol says is what happens."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from adapters.spaces import darts
from harness import registry
from harness.errors import HarnessError, NotApplicable
from harness.storage import artefacts
from harness.storage.artefacts import Artefact
from harness.training.scratch import EvaluationRequest, train_architecture
from tests.docs.pages import ROOT
from tests.evaluation.toys import (
    CLASSES,
    SIZES,
    ToyNetwork,
    ToySpace,
    numbers,
    toy_dataset,
    toy_protocol,
    toy_request,
    train,
)

CPU = torch.device("cpu")


class Stop(BaseException):
    """What a kill looks like from inside."""


class Killer:
    """A report that ends the training at its ``last`` call."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.shares: list[float] = []

    def __call__(self, text: str, share: float) -> None:
        self.shares.append(share)
        if len(self.shares) == self._last:
            raise Stop


# 20 images make two batches of 8 and one of 4: 9 calls in 3 epochs.
@pytest.mark.parametrize("last", [1, 3, 4, 6, 8, 9])
@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e9])
def test_a_killed_training_goes_on_to_the_same_numbers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    space: ToySpace,
    last: int,
    checkpoint_seconds: float,
) -> None:
    monkeypatch.setattr(artefacts, "CHECKPOINT_SECONDS", checkpoint_seconds)
    request = toy_request(cutout=4, crop_padding=1, flip=True, drop_path=0.2)
    whole = train(request, tmp_path / "whole")
    with pytest.raises(Stop):
        train(request, tmp_path / "cut", Killer(last))
    rest = Killer(0)
    assert numbers(train(request, tmp_path / "cut", rest)) == numbers(whole)
    # A checkpoint is written when an epoch's last step has been told of.
    kept = (last - 1) // 3 if checkpoint_seconds == 0 else 0
    assert rest.shares == pytest.approx([(call + 1) / 9 for call in range(3 * kept, 9)])


def test_killed_between_training_and_result_trains_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: ToySpace
) -> None:
    whole = train(toy_request(), tmp_path / "whole")

    def stop(self: Artefact, result: bytes) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(Artefact, "finish", stop)
        with pytest.raises(Stop):
            train(toy_request(), tmp_path / "cut")
    rest = Killer(0)
    assert numbers(train(toy_request(), tmp_path / "cut", rest)) == numbers(whole)
    assert rest.shares == []


def test_a_training_is_stored_once(tmp_path: Path, space: ToySpace) -> None:
    first = train(toy_request(), tmp_path)
    steps = len(space.diary.trained_on)
    again = Killer(1)
    second = train(toy_request(), tmp_path, again)
    assert (first.fresh, second.fresh) == (True, False)
    assert numbers(first) == numbers(second)
    assert first.seconds == second.seconds
    assert again.shares == []
    assert len(space.diary.trained_on) == steps
    assert train(toy_request(architecture="b"), tmp_path).identity != first.identity
    assert train(toy_request(epochs=2), tmp_path).fresh


def test_two_processes_that_want_the_same_train_it_once(tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from harness import registry
        from tests.evaluation.toys import ToySpace, toy_request, train
        registry.load = lambda kind, name, contract: ToySpace()
        import time
        report = lambda text, share: time.sleep(0.05)
        result = train(toy_request(epochs=6), Path({str(tmp_path)!r}), report)
        print(result.fresh, result.test_accuracy, result.seconds)
        """
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=240)[0].split() for process in both)
    assert [words[0] for words in said] == ["False", "True"]
    assert said[0][1:] == said[1][1:]


def test_a_result_depends_on_nothing_but_its_request(tmp_path: Path, space: ToySpace) -> None:
    request = toy_request(cutout=4, flip=True)
    first = train(request, tmp_path / "first")
    torch.rand(3)
    train(toy_request(seed=5, architecture="other"), tmp_path / "second")
    before = torch.get_rng_state()
    again = train(request, tmp_path / "second")
    assert numbers(again) == numbers(first)
    assert torch.equal(torch.get_rng_state(), before)
    assert train(toy_request(seed=1, cutout=4, flip=True), tmp_path).train_loss != first.train_loss


def test_architectures_share_their_batches(tmp_path: Path, space: ToySpace) -> None:
    train(toy_request(architecture="a"), tmp_path)
    seen, space.diary.trained_on = space.diary.trained_on, []
    train(toy_request(architecture="b"), tmp_path)
    assert all(map(torch.equal, seen, space.diary.trained_on))


def test_drop_path_ramps_epoch_by_epoch(tmp_path: Path, space: ToySpace) -> None:
    train(toy_request(epochs=4, drop_path=0.2), tmp_path)
    assert space.diary.rates == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_cutout_blanks_training_images_only(tmp_path: Path, space: ToySpace) -> None:
    train(toy_request(), tmp_path)
    assert all((images != 0).all() for images in space.diary.trained_on)
    space.diary.trained_on = []
    train(toy_request(cutout=4), tmp_path)
    blank = torch.cat([(images == 0).sum((1, 2, 3)) for images in space.diary.trained_on])
    # A square of 4 around any pixel keeps at least 2 by 2 of its pixels inside.
    assert 4 <= int(blank.min()) < int(blank.max()) <= 16
    assert all((images != 0).all() for images in space.diary.judged_on)


def test_every_image_is_met_once_an_epoch_and_test_images_never(
    tmp_path: Path, space: ToySpace
) -> None:
    splits = toy_dataset().splits

    def met() -> list[list[float]]:
        return sorted(torch.cat(space.diary.trained_on).flatten(1).tolist())

    train(toy_request(epochs=1), tmp_path)
    assert met() == sorted(splits["train"].images.reshape(SIZES["train"], -1).tolist())
    space.diary.trained_on = []
    result = train(toy_request(epochs=1, train_on="train+valid"), tmp_path)
    both = np.concatenate([splits["train"].images, splits["valid"].images])
    # 33 images are four batches and one image, which batch norm cannot take.
    assert len(met()) == 32
    assert {tuple(image) for image in met()} < {
        tuple(image) for image in both.reshape(33, -1).tolist()
    }
    assert (result.valid_accuracy, result.valid_loss) == (None, None)


def test_what_is_left_over_can_be_left_out(tmp_path: Path, space: ToySpace) -> None:
    train(toy_request(epochs=1, drop_last=True), tmp_path)
    assert [len(images) for images in space.diary.trained_on] == [8, 8]
    space.diary.trained_on = []
    train(toy_request(epochs=1, drop_last=True, batch=64), tmp_path)
    assert [len(images) for images in space.diary.trained_on] == [20]


def test_validation_is_judged_where_it_was_not_trained_on(tmp_path: Path, space: ToySpace) -> None:
    result = train(toy_request(epochs=20), tmp_path)
    assert result.valid_accuracy is not None
    assert result.valid_loss is not None
    assert result.test_accuracy > 60
    assert result.train_loss[-1] < 0.5 * result.train_loss[0]
    for accuracy, size in ((result.test_accuracy, "test"), (result.valid_accuracy, "valid")):
        correct = accuracy * SIZES[size] / 100
        assert correct == pytest.approx(round(correct))


def test_the_towers_loss_is_weighed_and_its_parameters_are_not_counted(
    tmp_path: Path, space: ToySpace
) -> None:
    # The toy tower gives no gradient, so the network is trained as without it, and its loss is
    # log(classes) in every step. Weight 0 is no tower.
    plain = train(toy_request(clip=0.0, weight_decay=0.0), tmp_path)
    tower = train(toy_request(clip=0.0, weight_decay=0.0, auxiliary_weight=0.4), tmp_path)
    assert tower.test_loss == plain.test_loss
    more = np.subtract(tower.train_loss, plain.train_loss)
    assert more == pytest.approx([0.4 * math.log(CLASSES)] * 3, rel=1e-5)
    assert tower.parameters == plain.parameters == 2 + 64 * CLASSES + CLASSES


def test_half_precision_is_another_and_near(tmp_path: Path, space: ToySpace) -> None:
    single = train(toy_request(), tmp_path)
    half = train(toy_request(precision="bfloat16"), tmp_path)
    assert half.train_loss != single.train_loss
    assert half.train_loss == pytest.approx(single.train_loss, rel=0.05)


def test_a_loss_that_is_no_number_is_one_line_and_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: ToySpace
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ToyNetwork, "forward", lambda self, x: self.linear(x.flatten(1)) * math.nan)
        for _ in range(2):
            with pytest.raises(HarnessError, match="protocol toy is NaN or infinite in epoch 1;"):
                train(toy_request(), tmp_path)
    assert train(toy_request(), tmp_path).fresh


def test_out_of_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: ToySpace
) -> None:
    def full(self: ToyNetwork, images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(ToyNetwork, "forward", full)
    with pytest.raises(HarnessError, match=r"ran out of memory .* batches of 8") as caught:
        train(toy_request(), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"seed": "x"}', b"\xff"])
def test_a_damaged_result_is_named(tmp_path: Path, space: ToySpace, content: bytes) -> None:
    result = train(toy_request(), tmp_path)
    file = tmp_path / "architectures" / result.identity / "result.json"
    file.write_bytes(content)
    with pytest.raises(HarnessError, match=r"result\.json is damaged .* delete it"):
        train(toy_request(), tmp_path)
    file.unlink()
    assert numbers(train(toy_request(), tmp_path)) == numbers(result)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"drop_path": 0.2}, "cannot drop paths"), ({"auxiliary_weight": 0.4}, "no auxiliary tower")],
)
def test_a_space_whose_networks_lack_something_says_so(
    tmp_path: Path, changes: dict[str, float], said: str
) -> None:
    cell = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    protocol = toy_protocol(cells=1, channels=2, **changes)
    request = EvaluationRequest.of("nas-bench-201", cell, toy_dataset(), protocol, 0)
    with pytest.raises(NotApplicable, match=said):
        train_architecture(request, toy_dataset(), CPU, tmp_path)


def test_darts_networks_are_trained_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise operations, drop path and the auxiliary head, twice to the same numbers."""
    monkeypatch.setattr(registry, "load", lambda kind, name, contract: darts.S4)
    images = toy_dataset(resolution=32)
    drawn = darts.S4.format(darts.S4.sample(np.random.default_rng(0)))
    assert "noise" in drawn
    changes = {"drop_path": 0.3, "cutout": 16, "crop_padding": 4, "flip": True, "epochs": 1}
    protocol = toy_protocol(cells=3, channels=1, **changes)
    with_head = toy_protocol(cells=3, channels=1, auxiliary_weight=0.4, **changes)
    plain, first, again = (
        train_architecture(
            EvaluationRequest("s4", drawn, "toy", "images", chosen, 0), images, CPU, tmp_path / root
        )
        for chosen, root in ((protocol, "plain"), (with_head, "first"), (with_head, "again"))
    )
    assert numbers(first) == numbers(again)
    assert first.parameters == plain.parameters
    assert first.train_loss != plain.train_loss
    too_small = EvaluationRequest("s4", drawn, "toy", "images", with_head, 0)
    with pytest.raises(NotApplicable, match="auxiliary classifier"):
        train_architecture(too_small, toy_dataset(), CPU, tmp_path / "small")
