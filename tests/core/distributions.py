"""Distributions as pip would have installed them, made of nothing but their metadata and files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path


def install(
    site: Path,
    name: str,
    version: str,
    files: Mapping[str, str] | Iterable[str] = (),
    *,
    entry_points: str = "",
    direct_url: str = "",
) -> None:
    """Write the dist-info folder into ``site``, and the files that have a text."""
    if isinstance(files, Mapping):
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text, "utf-8")
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    metadata = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "RECORD": "".join(f"{path},{_digest(site / path)},\n" for path in files),
        "entry_points.txt": entry_points,
        "direct_url.json": direct_url,
    }
    for file, text in metadata.items():
        if text:
            (folder / file).write_text(text, "utf-8")


def _digest(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
