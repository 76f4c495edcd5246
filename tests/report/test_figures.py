from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fidgety.records import Assessment, WindowScore
from fidgety.report.figures import draw_interval, draw_timeline


def _window(start_s: float, probability: float | None) -> WindowScore:
    end_s = start_s + 9.6
    return WindowScore(start_s, end_s, False, True, probability, None, "gap too long" if probability is None else None)


def _curve(drawing: str) -> str:
    found = re.search(r'class="curve"[^>]* d="([^"]*)"', drawing)
    assert found is not None
    return found[1]


def test_draw_timeline_puts_each_window_at_its_middle_and_breaks_at_voids(scored: Assessment) -> None:
    windows = (_window(0.0, 0.25), _window(0.8, 1.0), _window(1.6, None), _window(2.4, 0.5))
    drawing = draw_timeline(replace(scored, duration_s=96.0, timeline=windows), None)
    assert _curve(drawing) == "M50.0 750h0L58.3 0M75.0 500h0"


def test_draw_timeline_shows_bouts_voids_threshold_and_moments(scored: Assessment) -> None:
    drawing = draw_timeline(scored, 0.4)
    assert drawing.count('class="bout"') == 5
    assert 'class="bout" x="2.667%" width="9.777%"' in drawing
    assert drawing.count('class="void"') == 1
    assert 'class="threshold" x1="0" x2="100%" y1="120.0"' in drawing
    assert 'class="threshold"' not in draw_timeline(scored, None)
    assert re.findall(r'data-moment="(\w\d)"', drawing) == ["F1", "F2", "F3", "N1", "N2", "N3"]


@pytest.mark.parametrize("duration_s", [0.0, 9.6, 61.0, 100.0, 181.0, 600.0, 3599.0, 7200.0, 90_000.0])
def test_draw_timeline_labels_any_duration(scored: Assessment, duration_s: float) -> None:
    drawing = draw_timeline(replace(scored, duration_s=duration_s, timeline=()), None)
    labels = re.findall(r'class="tick[^"]*" x="[\d.]+%" y="218"[^>]*>(\d+:\d\d)<', drawing)
    assert labels[0] == "00:00"
    assert 1 <= len(labels) <= 9
    assert len(set(labels)) == len(labels)


def test_draw_interval_marks_value_interval_and_threshold() -> None:
    drawing = draw_interval(0.71, 0.38, 0.9, 0.5, 'risk "x"')
    assert 'class="band" x="38.0%" y="8" width="52.00%"' in drawing
    assert 'class="dot" cx="71.0%"' in drawing
    assert 'class="mark" x1="50.0%"' in drawing
    assert 'aria-label="risk &quot;x&quot;"' in drawing
    assert 'class="mark"' not in draw_interval(0.71, 0.38, 0.9, None, "x")
