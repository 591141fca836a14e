"""The memory of a training: bytes kept for backward passes, and the networks' parameters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.optim.optimizer import register_optimizer_step_post_hook


def storage_bytes(tensor: Tensor) -> int:
    """The bytes of the tensor's whole storage."""
    return tensor.untyped_storage().nbytes()


class KeptBytes:
    """Counts the bytes that automatic differentiation keeps, each storage once while it is alive.

    now: bytes kept at this moment. peak: the maximum of ``now`` since ``peak`` was last set. size:
    the bytes that a storage counts for, given the first kept tensor in it. A backward pass releases
    what it used, and so does a graph that is thrown away.
    """

    def __init__(self, size: Callable[[Tensor], int] = storage_bytes) -> None:
        self.now = 0
        self.peak = 0
        self._size = size
        self._holders: dict[int, int] = {}
        self._left_out: frozenset[int] = frozenset()

    @contextmanager
    def counting(self, but: Iterable[Tensor] = ()) -> Iterator[None]:
        """Count what is kept in this block, wherever it is released.

        but: tensors whose storages do not count, such as a network's parameters."""
        self._left_out = frozenset(_address(tensor) for tensor in but)
        with torch.autograd.graph.saved_tensors_hooks(self._keep, _Held.get):
            yield

    def _keep(self, tensor: Tensor) -> _Held:
        # An output kept by a node refers to the node: held as it is, neither would be freed.
        tensor = tensor.detach()
        address = _address(tensor)
        if address in self._left_out:
            return _Held(tensor, lambda: None)
        size = self._size(tensor)
        holders = self._holders.get(address, 0)
        self._holders[address] = holders + 1
        if not holders:
            self.now += size
            self.peak = max(self.peak, self.now)
        return _Held(tensor, lambda: self._give_back(address, size))

    def _give_back(self, address: int, size: int) -> None:
        self._holders[address] -= 1
        if not self._holders[address]:
            del self._holders[address]
            self.now -= size


class _Held:
    """A tensor kept by a node of the graph, until the node releases it."""

    def __init__(self, tensor: Tensor, when_gone: Callable[[], None]) -> None:
        self._tensor = tensor
        self._when_gone = when_gone

    def get(self) -> Tensor:
        """The tensor, for the backward pass."""
        return self._tensor

    def __del__(self) -> None:
        self._when_gone()


def _address(tensor: Tensor) -> int:
    """The address of the storage, unique while the tensor is alive."""
    return tensor.untyped_storage().data_ptr()


class Networks:
    """The parameters of all networks that are made and trained in a block.

    So a search can be measured without knowing its trainer's networks: SANAS makes a second one, a
    progressive method several in turn.
    """

    def __init__(self) -> None:
        self._made: list[weakref.ref[nn.Parameter]] = []
        self._trained: dict[int, int] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note every parameter that a module is given in this block, and every one that an
        optimiser takes a step on."""
        handles = [
            register_module_parameter_registration_hook(self._note_made),
            register_optimizer_step_post_hook(self._note_step),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _note_made(self, module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            self._made.append(weakref.ref(parameter))

    def _note_step(self, optimizer: torch.optim.Optimizer, *given: Any) -> None:
        for group in optimizer.param_groups:
            for each in group["params"]:
                if isinstance(each, nn.Parameter):
                    self._trained[id(each)] = each.numel()

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that are still alive, each once."""
        found = {id(made): made for each in self._made if (made := each()) is not None}
        return list(found.values())

    def trained(self) -> int:
        """How many numbers, alpha aside, optimisers have updated since the last call."""
        count = sum(self._trained.values())
        self._trained.clear()
        return count


def bytes_in(state: Any) -> int:
    """The bytes of all tensors in nested mappings and sequences, such as a checkpoint's."""
    if isinstance(state, Tensor):
        return state.nbytes
    if isinstance(state, Mapping):
        return sum(bytes_in(each) for each in state.values())
    if isinstance(state, (list, tuple)):
        return sum(bytes_in(each) for each in state)
    return 0
