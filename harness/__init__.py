"""The core of nas-harness: types, protocols, registry, suites, plan, run loop, store, metrics.

Nothing here imports ``adapters``; they are found through entry points. ``harness.plan``,
``harness.run`` and ``harness.records_of`` are those of ``harness.api``, which is loaded when one of
them is asked for.
"""

from typing import TYPE_CHECKING

from harness.version import __version__

if TYPE_CHECKING:
    from harness.api import plan, records_of, run
else:

    def __getattr__(name: str) -> object:
        """What ``harness.api`` gives."""
        if name in ("plan", "records_of", "run"):
            from harness import api

            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["__version__", "plan", "records_of", "run"]
