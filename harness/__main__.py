"""The command ``harness``, and ``python -m harness``.

It is a module of its own because another distribution's file may replace ``harness.cli``. That is
reported in one line, as every other error.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line that the process was given, and leave with its exit code."""
    try:
        from harness.cli import run
    except ImportError:
        from harness.installation import damage

        line = damage()
        if line is None:
            raise
        sys.exit(f"error: {line}")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
