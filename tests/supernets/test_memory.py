"""Bytes kept for backward passes, counted by hand; networks found by themselves."""

from __future__ import annotations

import torch
from torch import nn

from harness.bench.memory import KeptBytes, Networks, bytes_in


def rows(count: int = 8, width: int = 4, *, needs_gradient: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, width, generator=generator, requires_grad=needs_gradient)


def test_a_tiny_network_by_hand() -> None:
    """Both products keep what they multiply, tanh its own output."""
    first, second, images = rows(4, 3, needs_gradient=True), rows(3, 2, needs_gradient=True), rows()
    kept = KeptBytes()
    with kept.counting(but=[first, second]):
        loss = (torch.tanh(images @ first) @ second).sum()
        # The images, 8 x 4, and the hidden values, 8 x 3, which tanh and the product share.
        assert kept.now == 4 * (8 * 4 + 8 * 3)
        torch.autograd.backward(loss)
    assert (kept.now, kept.peak) == (0, 224)


def test_parameters_count_unless_left_out() -> None:
    weight, images = rows(4, 3, needs_gradient=True), rows(needs_gradient=True)
    kept = KeptBytes()
    with kept.counting():
        loss = (images @ weight).sum()
    assert kept.now == 4 * (8 * 4 + 4 * 3)
    del loss
    assert kept.now == 0


def test_a_tensor_kept_twice_is_counted_once() -> None:
    value = rows(needs_gradient=True)
    kept = KeptBytes()
    with kept.counting():
        squares = value * value
        again = value.T @ value
    assert kept.now == value.nbytes
    del squares
    assert kept.now == value.nbytes
    del again
    assert kept.now == 0


def test_a_view_is_its_whole_storage() -> None:
    value = rows(needs_gradient=True)
    kept = KeptBytes()
    with kept.counting():
        loss = (value[:2] ** 2).sum() + (value[2:3] ** 2).sum()
        assert kept.now == value.nbytes
        torch.autograd.backward(loss)
    assert kept.now == 0


def test_what_is_kept_is_given_back_outside_and_without_a_backward_pass() -> None:
    kept = KeptBytes()
    with kept.counting():
        losses = [torch.softmax(rows(needs_gradient=True), 1).exp().sum() for _ in range(3)]
    # Softmax and the exponential keep their outputs.
    assert kept.now == kept.peak == 3 * 2 * 8 * 4 * 4
    torch.autograd.backward(losses[0])
    torch.autograd.backward(losses[1], retain_graph=True)
    assert kept.now == 2 * 2 * 8 * 4 * 4
    losses.clear()
    assert kept.now == 0
    kept.peak = kept.now
    with kept.counting(), torch.no_grad():
        torch.softmax(rows(needs_gradient=True), 1)
    assert kept.peak == 0


def test_gradients_are_the_same() -> None:
    def gradient() -> torch.Tensor:
        value = rows(needs_gradient=True)
        loss = torch.softmax(value @ value.T, 1).square().sum()
        (first,) = torch.autograd.grad(loss, value, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), value)
        return second

    plain = gradient()
    kept = KeptBytes()
    with kept.counting():
        counted = gradient()
    assert torch.equal(plain, counted)
    assert kept.now == 0


def test_networks_are_found_as_they_are_made_and_trained() -> None:
    before = nn.Linear(2, 2)
    networks = Networks()
    with networks.noting():
        first, second = nn.Linear(4, 3), nn.Sequential(nn.Linear(3, 2, bias=False))
        second.append(first)
        assert {id(each) for each in networks.parameters()} == {
            id(each) for each in (*first.parameters(), *second.parameters())
        }
        alpha = torch.zeros(5, requires_grad=True)
        torch.optim.SGD(before.parameters(), lr=0.1)
        torch.optim.Adam([*first.parameters(), alpha]).step()
        torch.optim.SGD(second.parameters(), lr=0.1).step()
        assert networks.trained() == 15 + 6
        assert networks.trained() == 0
        del second
    nn.Linear(7, 7)
    assert sum(each.numel() for each in networks.parameters()) == 15


def test_bytes_of_a_state() -> None:
    state = {"a": [torch.zeros(3), {"b": torch.zeros(2, dtype=torch.float64)}], "c": ("text", 7.0)}
    assert bytes_in(state) == 3 * 4 + 2 * 8
