"""What published protocols run each method with where spaces differ; suites name real methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.errors import HarnessError, UnknownName
from harness.protocols import supernet_file
from harness.protocols.supernet import SupernetProtocol, SupernetTask
from harness.runs.methods import load_method
from harness.runs.supernet.plan import PlannedSupernet
from harness.searchers.contract import BlackBoxMethod
from harness.settings import make_settings
from harness.suites import suite as suites
from harness.suites.suite import MethodEntry
from harness.supernets.methods import SupernetMethod, split_settings

SHOT = "nas-bench-1shot1"


@pytest.mark.parametrize("name", suites.PRESETS.names())
def test_every_row_of_a_shipped_suite_is_a_method(name: str) -> None:
    suite = suites.load(name)
    for profile in suite.file.profile:
        for entry in suite.methods(profile):
            method = load_method(entry.name)
            if isinstance(method, SupernetMethod):
                split_settings(method, entry.settings)


def test_a_setting_that_trainer_and_selector_share_says_whose_it_is() -> None:
    method = load_method("it-nas+perturbation")
    assert isinstance(method, SupernetMethod)
    with pytest.raises(HarnessError, match="write trainer-none or selector-none"):
        split_settings(method, {"none": "omitted"})
    given = {"trainer-none": "kept", "selector-none": "omitted", "tuning-epochs": 1}
    assert split_settings(method, given) == (
        {"none": "kept"},
        {"none": "omitted", "tuning_epochs": 1},
    )
    with pytest.raises(UnknownName, match="nonne"):
        split_settings(method, {"trainer-nonne": "kept"})


@pytest.mark.parametrize("name", suites.PRESETS.names())
def test_no_bound_refuses_a_row_of_a_shipped_suite(name: str) -> None:
    suite = suites.load(name)
    for profile in suite.file.profile:
        for entry in suite.methods(profile):
            method = load_method(entry.name)
            if isinstance(method, BlackBoxMethod):
                make_settings(entry.name, method.settings, entry.settings)
                continue
            for supernet in suite.entries("supernet", profile):
                planned(entry, supernet.space, supernet.protocol)


def planned(entry: MethodEntry, space: str, protocol: str) -> Mapping[str, Any]:
    """Trainer, selector and frame of a run, as a suite plans it."""
    name, file = supernet_file.load(protocol)
    task = SupernetTask(space, "cifar10", "", file.frame_for(space), "", "", (), ())
    rules = SupernetProtocol(name, file.source, file.published_frames, (task,))
    (run,) = PlannedSupernet(space, None, rules, file.settings).runs(entry, [0])
    return run.settings


@pytest.mark.parametrize(
    ("method", "space", "protocol", "part", "expected"),
    [
        ("darts-pt", "nas-bench-201", "nas-bench-201", "frame", {"epochs": 100}),
        ("darts-pt", "s1", "robustdarts", "frame", {}),
        ("r-darts-dp", "s2", "robustdarts", "trainer", {"order": "second"}),
        ("r-darts-l2", "s2", "robustdarts", "trainer", {"order": "second"}),
        ("darts-es", "s2", "robustdarts", "trainer", {"order": "second"}),
        ("darts-ada", "s2", "robustdarts", "trainer", {"order": "second"}),
        ("drnas-progressive", "darts", "darts", "trainer", {"alpha_learning_rate": 6e-4}),
        (
            "drnas-progressive",
            "nas-bench-201",
            "nas-bench-201",
            "trainer",
            {"alpha_learning_rate": 3e-4},
        ),
        ("pc-darts", "darts", "darts", "trainer", {"alpha_learning_rate": 6e-4}),
        ("pc-darts", "darts", "darts", "trainer", {"alpha_from_epoch": 15}),
        (
            "pc-darts",
            f"{SHOT}-1",
            SHOT,
            "trainer",
            {"alpha_learning_rate": 3e-4, "alpha_from_epoch": 0},
        ),
        ("pc-darts", f"{SHOT}-1", SHOT, "frame", {"epochs": 100}),
        ("gdas", f"{SHOT}-1", SHOT, "trainer", {"last_temperature": 1.0}),
        ("gdas", "nas-bench-201", "nas-bench-201", "trainer", {"last_temperature": 0.1}),
        (
            "gdas",
            "darts",
            "darts",
            "frame",
            {"epochs": 250, "batch": 256, "weight_decay": 5e-4, "nesterov": True, "cells": 6},
        ),
        ("pr-darts", "darts", "darts", "frame", {"epochs": 200, "batch": 250, "cells": 6}),
        ("p-darts", "darts", "darts", "frame", {"epochs": 75, "batch": 96, "cells": 5}),
        ("p-darts", "s3", "robustdarts", "frame", {"epochs": 75, "batch": 96, "cells": 5}),
        ("sdarts-rs", "nas-bench-201", "nas-bench-201", "frame", {"epochs": 100}),
        ("sdarts-adv", f"{SHOT}-2", SHOT, "frame", {"epochs": 100}),
        ("sdarts-rs", "s1", "robustdarts", "frame", {}),
        (
            "random-search-ws",
            f"{SHOT}-3",
            SHOT,
            "selector",
            {"samples": 1000, "batch": 640, "finalists": 5, "rounds": 1},
        ),
        ("random-search-ws", f"{SHOT}-3", SHOT, "frame", {"batch": 64, "clip": 0.25}),
        (
            "random-search-ws",
            "s4",
            "robustdarts",
            "selector",
            {"samples": 1000, "batch": 640, "finalists": 10, "augmented": True},
        ),
        ("random-search-ws", "s4", "robustdarts", "trainer", {"track_running_stats": True}),
        (
            "random-search-ws",
            "nas-bench-201",
            "nas-bench-201",
            "selector",
            {"samples": 100, "batch": 512, "finalists": 0},
        ),
        (
            "enas",
            f"{SHOT}-1",
            SHOT,
            "trainer",
            {"controller_layers": 1, "controller_updates": 300, "controller_samples": 1},
        ),
        ("enas", f"{SHOT}-1", SHOT, "frame", {"weight_decay": 1e-4, "batch": 64}),
        (
            "enas",
            "nas-bench-201",
            "nas-bench-201",
            "trainer",
            {"controller_layers": 2, "controller_updates": 50, "controller_samples": 20},
        ),
    ],
)
def test_the_settings_published_for_a_space(
    method: str, space: str, protocol: str, part: str, expected: dict[str, Any]
) -> None:
    found = planned(MethodEntry(method), space, protocol)[part]
    assert expected.items() <= found.items() if expected else found == {}
