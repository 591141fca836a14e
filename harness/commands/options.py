"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

device = click.option("--device", default="cpu", show_default=True, help="cpu, cuda, or cuda:1.")
data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where your data sets lie.  [default: NAS_HARNESS_DATA]",
)
table_dataset = click.option(
    "--dataset", default="digits", show_default=True, help="The data set to train on."
)
table_protocol = click.option(
    "--protocol",
    default="flat-12",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="The training protocol.",
)
