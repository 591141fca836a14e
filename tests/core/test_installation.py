"""Another distribution installs over our packages: one line says so, whatever command is given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import cli, installation
from harness.registry import GROUPS
from tests.core.distributions import install

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = """
[nas_harness.methods]
random-search = adapters.searchers.random_search:METHOD
local-search = adapters.searchers.local_search:METHOD

[nas_harness.kinds]
search = harness.runs.search.kind:KIND
supernet = harness.runs.supernet.kind:KIND
"""
INDEX = "pip install --force-reinstall --no-deps nas-harness"


@dataclass(frozen=True)
class Site:
    """A folder of installed packages, ours among them, that Python is started with."""

    folder: Path

    def install(self, name: str, files: Mapping[str, str], version: str = "1.3.0") -> None:
        install(self.folder, name, version, files)

    def harness(self, *words: str, before: Path | None = None) -> tuple[int, str]:
        """``python -m harness`` with these words: exit code, and what it said."""
        path = os.pathsep.join(map(str, [*([before] if before else []), self.folder]))
        environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "10000"}
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=self.folder.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Our three packages, installed from an index."""
    folder = tmp_path / "site"
    for package in installation.PACKAGES:
        kept = shutil.ignore_patterns("__pycache__", "*.npy", "*.bin", "blocks")
        shutil.copytree(ROOT / package, folder / package, ignore=kept)
    files = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.py"))]
    install(folder, "nas-harness", "0.1.0", files, entry_points=ENTRIES)
    return Site(folder)


def test_what_is_whole_is_not_complained_about(site: Site) -> None:
    code, said = site.harness("run", "--suite", "no-such-suite")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("error: unknown suite 'no-such-suite'")


@pytest.mark.parametrize(
    "words", ["ls methods", "run --suite nas-bench-201 --dry-run", "doctor", "doctor --json"]
)
def test_any_command_names_what_was_installed_over_adapters(site: Site, words: str) -> None:
    site.install("adapters", {"adapters/__init__.py": "import no_such_module\n"})
    code, said = site.harness(*words.split())
    assert code == 1
    told = (
        "adapters 1.3.0 was installed over the package 'adapters' of nas-harness: keep them in "
        f"environments of their own, or run `pip uninstall -y adapters && {INDEX}`"
    )
    if words.startswith("doctor"):
        assert said.count(told) == 1
        assert "cannot be loaded" not in said
    else:
        assert said == f"error: {told}\n"


def test_what_shares_a_package_and_breaks_nothing_is_left_to_the_doctor(site: Site) -> None:
    site.install("adapters", {"adapters/heads.py": "import no_such_module\n"})
    assert site.harness("ls", "methods")[0] == 0
    code, said = site.harness("doctor", "--json")
    assert code == 1
    (problem,) = json.loads(said)["problems"]
    assert problem.startswith("adapters also installs a top-level package 'adapters'; use an")


@pytest.mark.parametrize(
    "files",
    [
        {"harness/cli/__init__.py": "", "harness/cli/main.py": "main = None\n"},
        {"harness/__init__.py": "'''Another harness.'''\n"},
    ],
    ids=["a folder named as our module", "another first file"],
)
def test_a_command_that_cannot_start_names_what_was_installed_over_harness(
    site: Site, files: dict[str, str]
) -> None:
    site.install("harness", files)
    code, said = site.harness("ls")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("error: harness 1.3.0 was installed over the package 'harness' of nas-")
    assert f"`pip uninstall -y harness && {INDEX}`" in said


def test_files_that_went_with_the_other_are_missing(site: Site) -> None:
    (site.folder / "harness" / "suites" / "suite.py").unlink()
    said = f"error: files of nas-harness are missing (harness/suites/suite.py): run `{INDEX}`\n"
    assert site.harness("ls") == (1, said)


def test_a_bug_in_overwritten_files_is_no_bug(site: Site) -> None:
    (site.folder / "leaderboards" / "studies" / "method_cards.py").unlink()
    (site.folder / "harness" / "commands" / "ls.py").write_text("raise KeyError(1)\n", "utf-8")
    said = "error: files of nas-harness are missing (leaderboards/studies/method_cards.py): run "
    assert site.harness("ls") == (1, f"{said}`{INDEX}`\n")


def test_a_bug_in_files_of_ones_own_stays_a_bug(site: Site) -> None:
    (site.folder / "harness" / "commands" / "ls.py").write_text("raise KeyError(1)\n", "utf-8")
    code, said = site.harness("ls")
    assert code == 3
    assert said.startswith("error: this is a bug: KeyError: 1; details in ")


def test_where_we_were_installed_from_is_where_we_are_installed_from_again(site: Site) -> None:
    source = site.folder.parent / "a checkout"
    source.mkdir()
    noted = site.folder / "nas_harness-0.1.0.dist-info" / "direct_url.json"
    noted.write_text(json.dumps({"url": source.as_uri(), "dir_info": {}}), "utf-8")
    site.install("adapters", {"adapters/__init__.py": "import no_such_module\n"})
    wanted = f"`pip uninstall -y adapters && {INDEX.removesuffix('nas-harness')}'{source}'`"
    assert site.harness("ls", "methods")[1].rstrip().endswith(wanted)


def test_a_package_of_the_same_name_hides_an_editable_installation(site: Site) -> None:
    dist_info = site.folder / "nas_harness-0.1.0.dist-info"
    (dist_info / "RECORD").write_text("__editable__.nas_harness-0.1.0.pth,,\n", "utf-8")
    noted = {"url": site.folder.as_uri(), "dir_info": {"editable": True}}
    (dist_info / "direct_url.json").write_text(json.dumps(noted), "utf-8")
    other = site.folder.parent / "other"
    install(other, "adapters", "1.3.0", {"adapters/__init__.py": "import no_such_module\n"})
    assert site.harness("ls", "methods", before=other) == (
        1,
        "error: adapters 1.3.0 was installed over the package 'adapters' of nas-harness: keep "
        "them in environments of their own, or run `pip uninstall -y adapters`\n",
    )
    assert site.harness("ls", "methods")[0] == 0


def test_a_command_that_works_does_not_ask(site: Site) -> None:
    asking = "raise RuntimeError('asked')\n"
    (site.folder / "harness" / "installation.py").write_text(asking, "utf-8")
    assert site.harness("ls", "methods")[0] == 0


def test_the_doctor_names_a_group_of_entry_points_that_is_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = "[nas_harness.supernet_trainers]\nmine = mine:TRAINER\n"
    install(tmp_path, "my-trainer", "1.0", entry_points=old)
    monkeypatch.syspath_prepend(tmp_path)
    assert cli.run(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == [
        "my-trainer registers 'mine' under nas_harness.supernet_trainers; that group is "
        f"{GROUPS['trainers']} now"
    ]
