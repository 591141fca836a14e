"""The scripts of docs/python.md run as they stand there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

SCRIPTS = [
    block.text for block in blocks(ROOT / "docs" / "python.md") if block.language == "python"
]
PRINTED = (
    ["0 runs done before, 4 now, 0 failed", "random-search 3 "],
    ["random-search, seed 0: done"],
)


@pytest.mark.parametrize(("script", "printed"), list(zip(SCRIPTS, PRINTED, strict=True)))
def test_a_script_does_what_the_page_says(
    script: str, printed: list[str], tmp_path: Path, private_home: Path
) -> None:
    file = tmp_path / "script.py"
    file.write_text(script, "utf-8")
    place = os.environ | {"NAS_HARNESS_HOME": str(private_home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(file)], env=place, check=True, capture_output=True, text=True
    )
    for each in printed:
        assert each in done.stdout
    assert done.stderr == ""


def test_importing_the_package_loads_nothing() -> None:
    code = (
        "import sys, harness\n"
        "print(sorted(n for n in sys.modules if n.startswith('harness')), 'numpy' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "['harness', 'harness.version'] False"
