from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fidgety.records import Assessment, Characteristics, Moment, QualityReason
from fidgety.report.page import render_report, write_report

from .conftest import BANNER, make_timeline

_EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&.mp4"
_VOID_TAGS = {"meta"}


class _Reader(HTMLParser):
    """Collects tags, attributes and the visible text, and checks that every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID_TAGS and tag != "br":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif self._open and self._open[-1] != "style":
            self.text += data + " "


def test_render_report_states_every_finding_without_javascript(scored: Assessment) -> None:
    text = " ".join(_Reader(render_report(scored)).text.split())
    for part in (
        "infant_07_supine.mp4",
        "16 of 25 windows hold fidgety movements",
        "95 % interval 41–82 %",
        "Risk (sporadic or absent FMs)",
        "95 % interval 5–24 %",
        "Normal: continual or intermittent FMs",
        "threshold 50 %",
        "5 bouts, 01:22 in all",
        "(Info Branch): used",
        "corrected age 13.4 weeks",
        "00:46–00:56",
        "The score predicts the expert's general-movements category. It does not predict cerebral palsy",
        "mam-phantom 0.1.0 (abcdef012345)",
        "9f2c" * 16,
        "1.23.2",
        "measured: limb coverage 0.934",
    ):
        assert part in text, part
    assert text.count(BANNER) == 2


def test_render_report_is_one_file_that_asks_for_nothing(scored: Assessment) -> None:
    page = render_report(scored)
    reader = _Reader(page)
    assert "http" not in re.sub(r'data-keypoints="[^"]*"', "", page).replace("http-equiv", "")
    assert not {"link", "img", "iframe", "object", "video", "form"} & set(reader.tags)
    assert not {"src", "srcset", "action"} & {name for name, _ in reader.attributes}
    assert len(page.encode()) < 600_000


def test_render_report_stays_small_for_an_hour_and_many_moments(
    scored: Assessment, build_moment: Callable[[float, float, int], Moment]
) -> None:
    many = tuple(build_moment(10.0 * i, 0.9, i) for i in range(6))
    long = replace(
        scored,
        duration_s=3600.0,
        timeline=make_timeline(3600.0, (94.0, 97.0)),
        most_certain_fms=many,
        most_certain_non_fms=many,
    )
    assert len(render_report(long).encode()) < 600_000


def test_render_report_policy_allows_its_own_script_only(scored: Assessment) -> None:
    page = render_report(scored)
    policy = next(
        value for name, value in _Reader(page).attributes if name == "content" and "default-src" in str(value)
    )
    script = page.rsplit("<script>", 1)[1].rsplit("</script>", 1)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'")


def test_render_report_gives_the_script_the_timeline(scored: Assessment) -> None:
    data = json.loads(_Reader(render_report(scored)).scripts[0])
    assert len(data["windows"]) == len(scored.timeline)
    assert data["windows"][0] == [0.0, 9.6, 0.5, None]
    assert [0.0, 9.6, None, "gap too long"][2:] in [window[2:] for window in data["windows"]]


def test_render_report_escapes_whatever_comes_from_outside(build: Callable[..., Assessment]) -> None:
    reason = QualityReason(_EVIL, False, _EVIL, _EVIL)
    plain = build()
    evil = replace(
        plain,
        recording=_EVIL,
        bundle=_EVIL,
        banner=_EVIL,
        quality=replace(plain.quality, reasons=(reason,), measures={_EVIL: 1.0}),
        settings={_EVIL: _EVIL, "nested": {_EVIL: [_EVIL]}},
    )
    reader, wanted = _Reader(render_report(evil)), _Reader(render_report(plain))
    assert reader.tags.count("script") == wanted.tags.count("script") == 2
    assert "img" not in reader.tags
    assert "onerror" not in {name for name, _ in reader.attributes}
    assert _EVIL in reader.text
    refusal = QualityReason("x", True, _EVIL, _EVIL)
    refused = _Reader(render_report(replace(evil, quality=replace(plain.quality, reasons=(refusal,)))))
    assert refused.tags.count("script") == 2
    assert "img" not in refused.tags


def test_render_report_not_assessable_shows_reasons_and_no_number(refused: Assessment, scored: Assessment) -> None:
    for assessment in (refused, replace(scored, quality=refused.quality)):
        page = render_report(assessment)
        reader = _Reader(page)
        assert "Not assessable" in reader.text
        for reason in refused.quality.reasons:
            assert reason.sentence in reader.text
            assert reason.action in reader.text
        assert "%" not in reader.text
        assert BANNER in reader.text
        assert not {"svg", "figure"} & set(reader.tags)
        assert json.loads(reader.scripts[0]) == {"windows": []}
        for number in ("16 of 25", "interval", "0.64"):
            assert number not in reader.text


def test_render_report_of_a_risk_says_what_was_missing(warned: Assessment) -> None:
    text = " ".join(_Reader(render_report(warned)).text.split())
    assert "Risk: sporadic or absent FMs" in text
    assert "The interval spans the threshold." in text
    assert "left out (not known: corrected age, gestation, birth weight)" in text
    assert "Recording quality: 1 warning" in text


def test_render_report_without_banner_or_facts_leaves_them_out(build: Callable[..., Assessment]) -> None:
    page = render_report(
        build(
            banner=None, source_fps=0.0, recording_sha256=None, characteristics=Characteristics(), voids=(), settings={}
        )
    )
    reader = _Reader(page)
    assert "DEMO" not in reader.text
    assert "@page" not in page
    assert "none (camera)" in reader.text
    assert "frames per second" not in reader.text
    assert "could not be scored" not in reader.text
    assert 'class="threshold"' not in page


def test_render_report_puts_the_banner_on_every_printed_page(scored: Assessment) -> None:
    rule = re.search(r'@top-center \{ content: "([^"]*)"', render_report(scored))
    assert rule is not None
    assert re.sub(r"\\([0-9a-f]{6})", lambda match: chr(int(match[1], 16)), rule[1]) == BANNER


@pytest.mark.parametrize("name", ["caf\udce9.mp4", "a\x00b.mp4", "赤ちゃん.mp4", "$title ${x}.mp4"])
def test_write_report_takes_any_file_name(tmp_path: Path, build: Callable[..., Assessment], name: str) -> None:
    write_report(tmp_path / "report.html", build(recording=name))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert name.encode("utf-8", "replace").decode()[-4:] in page
    assert _Reader(page).tags.count("h1") == 1
