"""The core of nas-harness: types, protocols, registry, suites, plan, run loop, store, metrics.

Nothing here imports ``adapters``; they are found through entry points.
"""

__version__ = "0.1.0"
