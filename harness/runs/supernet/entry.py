"""What a [[supernet]] of a suite says."""

from __future__ import annotations

from harness.suites.sections import SectionEntry


class SupernetEntry(SectionEntry, frozen=True, kw_only=True):
    """A space whose supernet is trained on a data set, by a supernet protocol.

    Architectures are looked up in ``table``, or trained by the protocol's evaluation where none is
    named. ``name`` is the task's, the space's and the data set's together by default.
    """

    dataset: str
    name: str = ""

    @property
    def task(self) -> str:
        """The name of its task."""
        return self.name or f"{self.space} {self.dataset}"
