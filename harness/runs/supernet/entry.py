"""The content of a [[supernet]] in a suite."""

from __future__ import annotations

from harness.suites.sections import SectionEntry


class SupernetEntry(SectionEntry, frozen=True, kw_only=True):
    """A space whose supernet is trained on a data set, by a supernet protocol.

    Architectures are looked up in ``table``, or without one trained by the protocol's evaluation.
    ``name`` is the task's; by default the space's and the data set's together.
    """

    dataset: str
    name: str = ""

    @property
    def task(self) -> str:
        """The name of its task."""
        return self.name or f"{self.space} {self.dataset}"
