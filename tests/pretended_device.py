"""A device that is pretended on the CPU, so that what forgets to move a tensor fails here too.

Every storage is marked as the host's or the device's. Tensors of the device say that they live on
``cuda:0``, and an operation that torch would refuse there, because it mixes the two, is refused
here. The numbers are the CPU's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("cuda", 0)
HOST = torch.device("cpu")

_aten = torch.ops.aten
_CROSSING = {_aten.copy_.default, _aten._to_copy.default}
_INDEXING = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default}
"""The indices may be the host's."""


_weak: Any = StorageWeakRef
_DEVICE_OF: Any = vars(torch._C.TensorBase)["device"].__get__
_IS_CUDA: Any = vars(torch._C.TensorBase)["is_cuda"].__get__


class Mixed(AssertionError):
    """An operation on tensors of the host and of the device."""


class PretendedGenerator(torch.Generator):
    """A generator of the CPU that says where it is meant to live."""

    def __new__(cls, device: torch.device | str = "cpu") -> PretendedGenerator:
        made: PretendedGenerator = super().__new__(cls, "cpu")  # type: ignore[call-arg]
        made.place = torch.device(device)
        return made

    place: torch.device

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE if self.place.type == "cuda" else HOST


class _Marks:
    """Which storages are the device's; the others are the host's, but for the undecided.

    Undecided is what torch made by itself, as backward passes do: it goes along with anything.
    """

    def __init__(self) -> None:
        self._of: dict[int, tuple[StorageWeakRef, torch.device | None]] = {}

    def place(self, tensor: torch.Tensor) -> torch.device | None:
        key = tensor.untyped_storage()._cdata
        found = self._of.get(key)
        return HOST if found is None else found[1]

    def put(self, tensor: torch.Tensor, place: torch.device | None) -> None:
        storage = tensor.untyped_storage()
        # The weak reference keeps the number from being given to another storage.
        self._of[storage._cdata] = (_weak(storage), place)


def _tensors(*trees: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_flatten(trees)[0] if isinstance(leaf, torch.Tensor)]


def _same_storage(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(one.untyped_storage()._cdata == other.untyped_storage()._cdata)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operation, those of backward passes too: are its tensors in one place?"""

    def __init__(self, marks: _Marks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marks = marks
        self.asked: list[torch.device] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = _tensors(args, kwargs)
        result = func(*args, **kwargs)
        made = _tensors(result)
        if func in _CROSSING:
            if func is _aten._to_copy.default:
                self.marks.put(result, self.marks.place(given[0]))
            return result
        place = self._place(func, given)
        inputs = {tensor.untyped_storage()._cdata for tensor in given}
        for tensor in made:
            if tensor.untyped_storage()._cdata not in inputs:
                self.marks.put(tensor, place)
        return result

    def _place(self, func: Any, given: list[torch.Tensor]) -> torch.device | None:
        if not given:
            return self.asked[-1] if self.asked else None
        if func in _INDEXING and self.marks.place(given[0]) == DEVICE:
            given = given[:1]
        found = [(tensor.dim(), self.marks.place(tensor)) for tensor in given]
        places = {place for _, place in found if place is not None}
        # A number of the host may meet tensors of any place.
        if len(places) > 1:
            places = {DEVICE, *(place for axes, place in found if axes and place is not None)}
        if len(places) > 1:
            raise Mixed(f"{func}: {[(tuple(t.shape), self.marks.place(t)) for t in given]}")
        return places.pop() if places else None


def _named(value: Any) -> torch.device | None:
    """The device that an argument names, if it names one."""
    if isinstance(value, torch.device):
        return value
    if isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda"):
        return torch.device(value)
    return None


class _Calls(TorchFunctionMode):
    """Every call of torch from Python: what names the device is done on the CPU and marked."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self.operations, self.marks = operations, operations.marks

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = self._called(func, args, kwargs or {})
        for given in (*args, *(kwargs or {}).values()):
            if not isinstance(given, PretendedGenerator):
                continue
            if any(self.marks.place(tensor) != given.device for tensor in _tensors(result)):
                raise Mixed(f"{func}: a generator of {given.device} for the other device")
        return result

    def _called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = getattr(func, "__name__", "")
        if func in (_DEVICE_OF, _IS_CUDA):
            place = self.marks.place(args[0]) or HOST
            return place if func == _DEVICE_OF else place == DEVICE
        if name in ("numpy", "__array__", "__deepcopy__", "cpu"):
            return self._of_a_tensor(name, func, args, kwargs)
        named = [found for leaf in (*args[1:], *kwargs.values()) if (found := _named(leaf))]
        if not named and name == "to":
            named = [self.marks.place(leaf) or HOST for leaf in _tensors(args[1:])]
        if not named and _tensors(args, kwargs):
            return func(*args, **kwargs)
        if not named:
            return self._at(HOST, func, args, kwargs)
        (place,) = named
        args, kwargs = tree_map(lambda leaf: HOST if _named(leaf) else leaf, (args, kwargs))
        if name == "to":
            return self._moved(func(*args, **kwargs), place, args[0])
        return self._at(place, func, args, kwargs)

    def _of_a_tensor(
        self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        tensor = args[0]
        if name == "cpu":
            return self._moved(tensor, HOST)
        if name == "__deepcopy__":
            # It copies the storage itself, by no operation.
            copied = func(*args, **kwargs)
            self.marks.put(copied, self.marks.place(tensor))
            return copied
        if self.marks.place(tensor) == DEVICE:
            raise Mixed("numpy of a tensor of the device")
        return func(*args, **kwargs)

    def _at(
        self, place: torch.device, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call what makes a tensor, from numbers or after another tensor."""
        place = DEVICE if place.type == "cuda" else HOST
        self.operations.asked.append(place)
        try:
            result = func(*args, **kwargs)
        finally:
            self.operations.asked.pop()
        for tensor in _tensors(args, kwargs):
            if isinstance(result, torch.Tensor) and _same_storage(result, tensor):
                return self._moved(result, place, tensor)
        for tensor in _tensors(result):
            self.marks.put(tensor, place)
        return result

    def _moved(
        self, tensor: torch.Tensor, place: torch.device, source: torch.Tensor | None = None
    ) -> torch.Tensor:
        place = DEVICE if place.type == "cuda" else HOST
        source = tensor if source is None else source
        if (self.marks.place(source) or HOST) == place:
            return tensor
        if _same_storage(tensor, source):
            tensor = tensor.clone()
        self.marks.put(tensor, place)
        return tensor


@contextmanager
def pretended_device() -> Iterator[torch.device]:
    """Within, there is a device ``cuda:0``; raises Mixed where its tensors meet the host's."""
    operations = _Operations(_Marks())
    load = torch.load

    def loaded(file: Any, *, map_location: torch.device, weights_only: bool) -> Any:
        found = load(file, map_location=HOST, weights_only=weights_only)
        for tensor in _tensors(found):
            operations.marks.put(tensor, DEVICE if map_location.type == "cuda" else HOST)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "Generator", PretendedGenerator)
        patch.setattr(torch, "load", loaded)
        # Torch built for CUDA would look for a driver there.
        for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):
            patch.setattr(torch.optim.Optimizer, name, lambda self: None, raising=False)
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_device_name", lambda device: "pretended")
        patch.setattr(torch.cuda, "synchronize", lambda device: None)
        patch.setattr(torch.cuda, "manual_seed", lambda seed: None)
        patch.setattr(torch.cuda, "device", lambda device: torch.no_grad())
        fork = torch.random.fork_rng
        patch.setattr(torch.random, "fork_rng", lambda devices: fork(devices=[]))
        with _Calls(operations), operations:
            yield DEVICE
