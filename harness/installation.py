"""A check that our packages are whole: pip lets any distribution write into any package.

The distribution installed last overwrites files, and uninstalling it removes those of both. The
check runs only after a failure, and in ``harness doctor``. This module imports no other module of
ours, since that may be overwritten.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    PackagePath,
    distribution,
    packages_distributions,
    version,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

DISTRIBUTION = "nas-harness"
PACKAGES = ("harness", "adapters", "leaderboards")
HERE = Path(__file__).resolve().parents[1]


def damage() -> str | None:
    """A line on the cause and the remedy, if files of ours were overwritten, hidden or removed."""
    others = intruders()
    for package in PACKAGES:
        if lost := _lost(package, shared=package in others):
            return _line(package, lost, others.get(package, []))
    return None


def intruders() -> dict[str, list[str]]:
    """Our packages that others install files into -> those distributions, sorted."""
    installed = packages_distributions()
    found = {
        package: sorted({name for name in installed.get(package, []) if name != DISTRIBUTION})
        for package in PACKAGES
    }
    return {package: names for package, names in found.items() if names}


def _lost(package: str, *, shared: bool) -> list[str]:
    """The files that differ from our installation; only the package if all of it is another's."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places or Path(places[0]).resolve() != HERE / package:
        return [package]
    return [str(file) for file in _installed(package) if _is_lost(file, shared=shared)]


def _installed(package: str) -> Iterable[PackagePath]:
    """The modules that our distribution recorded; none for an editable installation."""
    ours = _ours()
    files = (ours.files if ours else None) or []
    return (file for file in files if file.parts[0] == package and file.suffix == ".py")


def _is_lost(file: PackagePath, *, shared: bool) -> bool:
    """Whether a file is missing, hidden by a folder, or, in a shared package, changed."""
    path = Path(str(file.locate()))
    if not path.is_file() or (path.with_suffix("") / "__init__.py").is_file():
        return True
    return shared and file.hash is not None and _sha256(path) != file.hash.value


def _sha256(path: Path) -> str:
    """The digest of a file in the form of a distribution's RECORD."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _line(package: str, lost: list[str], others: list[str]) -> str:
    if not others:
        place = "" if lost == [package] else f" ({lost[0]}{', ...' if len(lost) > 1 else ''})"
        return f"files of {DISTRIBUTION} are missing{place}: run `{_reinstall()}`"
    names = " and ".join(f"{name} {version(name)}" for name in others)
    remedies = [f"pip uninstall -y {shlex.join(others)}", *([] if _editable() else [_reinstall()])]
    return (
        f"{names} was installed over the package {package!r} of {DISTRIBUTION}: keep them in "
        f"environments of their own, or run `{' && '.join(remedies)}`"
    )


def _reinstall() -> str:
    """The command that reinstalls our files, from their source if that still exists."""
    parts = urlsplit(str(_origin().get("url", "")))
    path = unquote(parts.path)
    source = path if parts.scheme == "file" and Path(path).exists() else DISTRIBUTION
    return shlex.join(["pip", "install", "--force-reinstall", "--no-deps", source])


def _editable() -> bool:
    return bool(_origin().get("dir_info", {}).get("editable"))


def _origin() -> dict[str, Any]:
    """The source of the installation as noted by pip (PEP 610); empty for an index."""
    ours = _ours()
    noted = ours.read_text("direct_url.json") if ours else None
    found = json.loads(noted) if noted else {}
    return found if isinstance(found, dict) else {}


def _ours() -> Distribution | None:
    try:
        return distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None
