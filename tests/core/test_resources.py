"""Where work is done: the one check of a device."""

from __future__ import annotations

import re

import pytest
import torch

from harness.errors import HarnessError
from harness.resources import Workshop, torch_device

TWO = (True, 2)


@pytest.mark.parametrize(
    ("name", "machine", "reason"),
    [
        ("cudda", TWO, "it is not the name of a device"),
        ("", TWO, "it is not the name of a device"),
        ("cuda:-1", TWO, "it is not the name of a device"),
        ("meta", TWO, "networks are trained on cpu, cuda or cuda:1"),
        ("mps", TWO, "networks are trained on cpu, cuda or cuda:1"),
        ("cuda", (False, 0), f"torch {torch.__version__} finds no CUDA"),
        ("cuda:2", TWO, "there are 2, numbered from cuda:0"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(
    name: str, machine: tuple[bool, int], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(machine, monkeypatch)
    line = f"device {name!r} cannot be used here: {reason}; `harness doctor` says what can, and"
    with pytest.raises(HarnessError, match=f"^{re.escape(line)}[^\n]*$"):
        torch_device(name)
    with pytest.raises(HarnessError, match=re.escape(line)):
        Workshop(name).torch_device()


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1"])
def test_a_device_that_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    has(TWO, monkeypatch)
    assert torch_device(name) == Workshop(name).torch_device() == torch.device(name)


def has(machine: tuple[bool, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether torch finds CUDA, and how many devices."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: machine[0])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: machine[1])
