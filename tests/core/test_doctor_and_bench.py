from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import cli
from harness.bench import figures as speed
from harness.commands import doctor
from harness.tables.catalog import open_table


def test_doctor_reports_versions_folders_and_no_problem(
    private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == []
    assert report["packages"]["torch"].startswith("2.")
    assert str(private_home) in report["folders"]["home"]
    assert set(report["device"]) <= {"cpu", "cuda"}


def test_doctor_finds_a_home_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert cli.run(["doctor", "--json"]) == 1
    assert "NAS_HARNESS_HOME" in json.loads(capsys.readouterr().out)["problems"][0]


def test_a_target_is_an_upper_or_a_lower_bound() -> None:
    assert speed.Figure("wait", 2.0, "s", 3.0).met is True
    assert speed.Figure("wait", 4.0, "s", 3.0).met is False
    assert speed.Figure("rate", 4.0, "1/s", 3.0, at_most=False).met is True
    assert speed.Figure("rate", 2.0, "1/s", 3.0, at_most=False).met is False
    assert speed.Figure("peer", 2.0, "1/s", None).met is None


@pytest.mark.usefixtures("table_home")
def test_the_table_figures_can_be_measured() -> None:
    table = open_table("nas-bench-201")
    figures = [
        *speed.opening(table),
        *speed.single_queries(table),
        *speed.array_queries(table),
        *speed.exact_curve(table),
    ]
    assert len(figures) == 5
    assert all(figure.value > 0 and figure.target for figure in figures)


@pytest.mark.realdata
def test_the_official_reader_is_measured_beside_ours(
    real_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nats_bench")
    from harness.bench.peers import beside_nats_bench

    records = real_data / "nats_bench_records"
    first, theirs, ours = beside_nats_bench(records, tmp_path)
    assert first.value > 0
    assert ours.value > theirs.value
    capfd.readouterr()
