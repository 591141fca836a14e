"""What the plot shows, before it is drawn; then that it is drawn."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.record import RunRecord
from harness.tables.table import BenchmarkTable
from leaderboards.plots.anytime import anytime_info, draw
from leaderboards.plots.drawing import Layout, spread, style
from leaderboards.plots.files import inline_svg, rendered
from leaderboards.plots.lines import LineInfo, PlotInfo
from tests.leaderboards.making import TEST_ANSWER, VALIDATION_ANSWER, done, protocol


@pytest.fixture
def info(records: list[RunRecord], tables: dict[str, BenchmarkTable]) -> PlotInfo:
    return anytime_info(records, tables)


def line(info: PlotInfo, start: str) -> LineInfo:
    (found,) = [line for line in info.panels[0].lines if line.label.startswith(start)]
    return found


def test_a_line_is_the_mean_regret_in_steps(info: PlotInfo) -> None:
    (panel,) = info.panels
    good = line(info, "good")
    assert (panel.x[0], panel.x[-1]) == (9.5, 20.0)
    before = panel.x < 19
    np.testing.assert_allclose(good.y[before], 3.0)
    np.testing.assert_allclose(good.y[~before], 1.0)
    assert (good.low <= good.y).all()
    assert (good.y <= good.high).all()


def test_labels_name_n_and_failures(info: PlotInfo) -> None:
    assert [line.label for line in info.panels[0].lines] == [
        "poor, n=2, 1 failed",
        "good, n=3",
        "broken, n=0, 3 failed",
        "random search, exact",
    ]
    assert np.isnan(line(info, "broken").end)


def test_the_exact_curve_has_no_band_and_no_number(info: PlotInfo) -> None:
    (panel,) = info.panels
    exact = line(info, "random search, exact")
    assert exact.number is None
    assert exact.low.size == exact.high.size == 0
    assert style(None)[1] == "--"
    # After one evaluation, then after two.
    np.testing.assert_allclose(exact.y[(panel.x > 9.6) & (panel.x < 18.9)], 94.0 - 89.0, rtol=1e-3)
    np.testing.assert_allclose(exact.y[panel.x > 19.1], 94.0 - 91.5, rtol=1e-3)


def test_titles_and_axes_say_what_is_shown(info: PlotInfo) -> None:
    (panel,) = info.panels
    assert panel.title == "toy: toy test"
    assert panel.x_label == "simulated cost (seconds)"
    assert panel.y_label == "simple regret (points), optimum=mean"
    assert "95% bootstrap interval" in info.caption
    assert "protocol own" in info.caption


def test_without_the_table_the_answer_itself_is_drawn(records: list[RunRecord]) -> None:
    (panel,) = anytime_info(records, {}).panels
    assert panel.y_label == "answer (%)"
    assert not panel.log_y
    assert panel.lines[1].end == 93.0


def test_only_test_answers_have_panels_where_there_are_any() -> None:
    both = protocol(answers=(VALIDATION_ANSWER, TEST_ANSWER))
    alone = protocol(answers=(VALIDATION_ANSWER,), name="alone")
    records = [done("a", 0, (60.0,), rules) for rules in (both, alone)]
    titles = [panel.title for panel in anytime_info(records, {}).panels]
    assert titles == ["toy: toy test", "toy: toy validation"]


def test_a_method_looks_the_same_in_every_panel() -> None:
    first, second = protocol(task="one"), protocol(task="two")
    records = [done("a", 0, (60.0,), first), done("b", 0, (60.0,), first)]
    records.append(done("b", 0, (60.0,), second))
    panels = anytime_info(records, {}).panels
    assert panels[0].lines[1].number == panels[1].lines[0].number == 1


def test_a_regret_of_zero_forbids_a_logarithmic_axis(
    tables: dict[str, BenchmarkTable],
) -> None:
    (checksum,) = tables
    best = [done("a", seed, (94.0,), protocol(), table_checksum=checksum) for seed in (0, 1)]
    assert not anytime_info(best, tables).panels[0].log_y


def test_styles_differ() -> None:
    assert len({style(number) for number in range(18)}) == 18


@given(st.lists(st.floats(-0.2, 1.2), max_size=25), st.floats(0.01, 0.2))
def test_labels_never_overlap_and_keep_their_order(ends: list[float], step: float) -> None:
    places = spread(ends, step)
    ordered = sorted(places)
    assert all(above - below >= step * 0.999 for below, above in itertools.pairwise(ordered))
    for (end, place), (other_end, other) in itertools.combinations(
        zip(ends, places, strict=True), 2
    ):
        if end < other_end:
            assert place < other


def test_labels_far_apart_stay_at_their_lines() -> None:
    assert spread([0.9, 0.1, 0.5], 0.1) == [0.9, 0.1, 0.5]
    assert spread([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])


def test_panels_do_not_overlap_on_the_page(info: PlotInfo) -> None:
    layout = Layout.of(info.panels * 5)
    boxes = [layout.axes(number) for number in range(5)]
    for left, bottom, width, height in boxes:
        assert 0 < left < left + width < 1
        assert 0 < bottom < bottom + height < 1
    for one, two in itertools.combinations(boxes, 2):
        beside = one[0] + one[2] < two[0] or two[0] + two[2] < one[0]
        above = one[1] + one[3] < two[1] or two[1] + two[3] < one[1]
        assert beside or above


def test_files_are_drawings_and_the_same_each_time(info: PlotInfo) -> None:
    png = rendered(draw(info), "png")
    assert png.startswith(b"\x89PNG")
    svg = rendered(draw(info), "svg")
    assert svg == rendered(draw(info), "svg")
    text = "".join(ET.fromstring(svg).itertext())
    assert "good, n=3" in text
    assert "broken, n=0, 3 failed" in text
    assert inline_svg(draw(info)).startswith("<svg")


def test_drawing_leaves_no_trace_in_matplotlib(info: PlotInfo) -> None:
    import matplotlib as mpl
    from matplotlib import _pylab_helpers

    before = dict(mpl.rcParams)
    rendered(draw(info), "svg")
    assert dict(mpl.rcParams) == before
    assert not _pylab_helpers.Gcf.figs
