"""The suites that lie in the docs are whole: protocols load, methods exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.protocols import supernet_file
from harness.runs.methods import load_method
from harness.suites import suite as suites
from tests.docs.pages import ROOT

SUITES = sorted((ROOT / "docs").glob("*/nas-bench-*.toml"))


def test_there_are_some() -> None:
    assert SUITES


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.name)
def test_a_suite_in_the_docs_can_be_planned(file: Path) -> None:
    suite = suites.load(str(file))
    for entry in suite.sections["supernet"]:
        assert supernet_file.load(entry.protocol)[1].answer
    for method in suite.file.method:
        assert load_method(method.name).summary
