"""One self-contained HTML file per recording: what was found, how sure it is, where to look, and what it is not.

No address outside the file, no video or picture of the infant: the moments are moving skeletons. Where no score may be
given the page shows the reasons and what to do, large, and no number for frequency, risk or FMs probability. A content
security policy names the one script by its hash, so that nothing else in the file can run and nothing can be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from numbers import Real
from pathlib import Path
from string import Template
from typing import Any

from fidgety.records import Assessment, FmsFrequency, Quality, QualityReason, Risk
from fidgety.report.figures import draw_interval, draw_timeline
from fidgety.report.files import write_text
from fidgety.report.moments import render_moments
from fidgety.report.wording import (
    RISK_NAME,
    clean_name,
    describe_class,
    describe_info_branch,
    describe_noise_floor,
    describe_predictive_value,
    format_clock,
    format_interval,
    format_percent,
    format_weeks,
    list_reasons,
    scored_parts,
    total_s,
)

__all__ = ["render_report", "write_report"]

_ABOUT = (
    "FMs frequency is the share of assessable 9.6 s windows in which the program found fidgety movements. "
    "Risk is the calibrated probability that a trained expert would call this infant's fidgety movements sporadic or "
    "absent, rather than continual or intermittent.",
    "The score predicts the expert's general-movements category. It does not predict cerebral palsy or any other "
    "outcome, it is not a diagnosis, and it does not know abnormal (exaggerated) fidgety movements.",
    "It speaks of this recording only. An infant who was tired, hungry, crying or ill may move otherwise on another "
    "day. Look at the moments and at the recording, and let a person trained in the assessment decide.",
)


def render_report(assessment: Assessment) -> str:
    """The page as HTML text. It needs no network and no other file.

    The threshold line of the timeline is drawn from `assessment.settings["fms_threshold"]` (a share) where it is set.
    """
    scored = scored_parts(assessment)
    script = _resource("report.js")
    recording = html.escape(clean_name(assessment.recording))
    return Template(_resource("report.html")).substitute(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_script_hash(script)}'; base-uri 'none'; "
        "form-action 'none'",
        title=f"{recording} - fidgety movements report",
        css=_resource("report.css"),
        print_banner=_print_banner(assessment.banner),
        banner=_banner(assessment.banner, "banner"),
        banner_again=_banner(assessment.banner, "banner foot"),
        recording=recording,
        facts=_facts(assessment),
        body=_refused_body(assessment) if scored is None else _scored_body(assessment, *scored),
        about="".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in _ABOUT),
        settings=_settings_table(assessment),
        data=_data_block(assessment if scored else None),
        script=script,
    )


def write_report(path: Path, assessment: Assessment) -> None:
    """Write the page to `path`, whole or not at all. Raises what `write_text` raises."""
    write_text(path, render_report(assessment))


def _scored_body(assessment: Assessment, frequency: FmsFrequency, risk: Risk) -> str:
    _, warnings = list_reasons(assessment)
    return "\n".join(
        (
            f'<div class="headline">{_frequency_card(assessment, frequency)}{_risk_card(assessment, risk)}</div>',
            _quality_card(assessment.quality, warnings),
            _timeline_card(assessment),
            render_moments(assessment),
        )
    )


def _refused_body(assessment: Assessment) -> str:
    blocking, warnings = list_reasons(assessment)
    also = f"<h3>Also noted</h3>{_reason_list(warnings, 'warnings')}" if warnings else ""
    return (
        '<section class="card refused" aria-labelledby="verdict"><h2 id="verdict" class="verdict">Not assessable</h2>'
        "<p>No score can be given for this recording, so none is shown. This says nothing about the infant.</p>"
        f"{_reason_list(blocking, 'blocking')}{also}</section>"
    )


def _frequency_card(assessment: Assessment, frequency: FmsFrequency) -> str:
    percent, interval = format_percent(frequency.value), format_interval(frequency.low, frequency.high, "–")
    label = f"FMs frequency {percent} %, 95 % interval {interval}"
    bouts = "no bouts"
    if assessment.bouts:
        noun = "bout" if len(assessment.bouts) == 1 else "bouts"
        bouts = f"{len(assessment.bouts)} {noun}, {format_clock(total_s(assessment.bouts))} in all"
    return (
        '<section class="card" aria-labelledby="frequency-title"><h2 id="frequency-title">FMs frequency</h2>'
        f'<p class="big">{html.escape(percent)}<small>&nbsp;%</small></p>'
        f'<p class="of">{frequency.n_fms} of {frequency.n_instances} windows hold fidgety movements<br>'
        f'<span class="soft">95 % interval {html.escape(interval)}</span></p>'
        f"{draw_interval(frequency.value, frequency.low, frequency.high, None, label)}"
        f'<p class="close soft">{bouts}</p></section>'
    )


def _risk_card(assessment: Assessment, risk: Risk) -> str:
    percent, interval = format_percent(risk.probability), format_interval(risk.low, risk.high, "–")
    label = f"{RISK_NAME} {percent} %, 95 % interval {interval}, threshold {format_percent(risk.threshold)} %"
    kind = "risk" if risk.is_risk else "normal"
    name, _, spans = describe_class(risk).partition(" (")
    predictive = describe_predictive_value(risk)
    worth = f"{predictive[0].upper()}{predictive[1:]} here. " if predictive else ""
    caution = f"The {html.escape(spans.rstrip(')'))}. " if spans else ""
    return (
        f'<section class="card is-{kind}" aria-labelledby="risk-title">'
        f'<h2 id="risk-title">{RISK_NAME[0].upper()}{RISK_NAME[1:]}</h2>'
        f'<p class="big">{html.escape(percent)}<small>&nbsp;%</small></p>'
        f'<p class="of"><span class="chip {kind}">{name[0].upper()}{name[1:]}</span><br>'
        f'<span class="soft">95 % interval {html.escape(interval)}</span></p>'
        f"{draw_interval(risk.probability, risk.low, risk.high, risk.threshold, label)}"
        f'<p class="close soft">{caution}{worth}Infant’s characteristics (Info Branch): '
        f"{html.escape(describe_info_branch(assessment, risk))}.</p></section>"
    )


def _quality_card(quality: Quality, warnings: Sequence[QualityReason]) -> str:
    if warnings:
        noun = "warning" if len(warnings) == 1 else "warnings"
        content = f"<h2>Recording quality: {len(warnings)} {noun}</h2>{_reason_list(warnings, 'warnings')}"
    else:
        content = '<h2 class="ok">✓ Recording quality: no warnings</h2>'
    floor = describe_noise_floor(quality)
    if floor is not None:
        content += (
            f'<p class="close soft">Noise floor {html.escape(floor)}: what limbs seem to move where they are '
            "quietest.</p>"
        )
    return f'<section class="card">{content}</section>'


def _reason_list(reasons: Sequence[QualityReason], kind: str) -> str:
    items = "".join(
        f'<li><p class="sentence">{_text(one.sentence)}</p><p class="action">{_text(one.action)}</p>'
        f'<p class="code">{_text(one.code)}</p></li>'
        for one in reasons
    )
    return f'<ul class="reasons {kind}">{items}</ul>'


def _timeline_card(assessment: Assessment) -> str:
    threshold = assessment.settings.get("fms_threshold")
    limit = float(threshold) if isinstance(threshold, Real) else None
    y_axis = "".join(f'<span style="top:{8 + 2 * (100 - y)}px">{y} %</span>' for y in (0, 50, 100))
    keys = [
        ('<line class="curve" x1="1" x2="25" y1="7" y2="7"/>', "FMs probability of the 9.6 s window around this time"),
        (
            '<rect class="bout" width="26" height="14"/><rect class="bout-foot" y="10" width="26" height="4"/>',
            "bout of FMs",
        ),
    ]
    if assessment.voids:
        keys.append(('<rect fill="url(#hatch)" width="26" height="14"/>', "could not be scored"))
    if limit is not None:
        line = '<line class="threshold" x1="0" x2="26" y1="7" y2="7"/>'
        keys.append((line, f"threshold {format_percent(limit)} %"))
    legend = "".join(f'<li><svg aria-hidden="true">{drawing}</svg>{text}</li>' for drawing, text in keys)
    return (
        '<section class="card" aria-labelledby="timeline-title"><div class="plot-head">'
        '<h2 id="timeline-title">Fidgety movements over the recording</h2>'
        '<p id="readout" class="readout js-only"></p></div>'
        f'<div class="plot"><div class="y-axis" aria-hidden="true">{y_axis}</div>'
        f'{draw_timeline(assessment, limit)}</div><ul class="legend">{legend}</ul></section>'
    )


def _facts(assessment: Assessment) -> str:
    infant = assessment.characteristics
    facts = [format_clock(assessment.duration_s)]
    if assessment.source_fps > 0:  # a pose track does not know it
        facts.append(f"{assessment.source_fps:.4g} frames per second")
    if infant.corrected_age_weeks is not None:
        facts.append(f"corrected age {format_weeks(infant.corrected_age_weeks)} weeks")
    if infant.gestation_weeks is not None:
        facts.append(f"gestation {infant.gestation_weeks:.1f} weeks")
    if infant.sex is not None:
        facts.append(infant.sex)
    if infant.birth_weight_g is not None:
        facts.append(f"birth weight {infant.birth_weight_g:.0f} g")
    return "".join(f"<span>{html.escape(fact)}</span>" for fact in facts)


def _settings_table(assessment: Assessment) -> str:
    rows = {"bundle": assessment.bundle, "recording SHA-256": assessment.recording_sha256 or "none (camera)"}
    rows |= _flatten(assessment.settings)
    rows |= {f"measured: {key}": value for key, value in _flatten(assessment.quality.measures).items()}
    body = "".join(
        f'<tr><th scope="row">{_text(key.replace("_", " "))}</th><td>{_text(value)}</td></tr>'
        for key, value in rows.items()
    )
    return f"<table>{body}</table>"


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level of names, every value as text."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name} / ")
        elif isinstance(value, (list, tuple)):
            flat[name] = ", ".join(_value(item) for item in value)
        else:
            flat[name] = _value(value)
    return flat


def _value(value: Any) -> str:
    """A setting or measure for reading: floats with 6 significant digits, None and NaN as 'not known'."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not known"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _data_block(assessment: Assessment | None) -> str:
    """What the script reads: [start_s, end_s, probability or null, void reason or null] per localisation window."""
    windows = [
        [round(one.start_s, 2), round(one.end_s, 2), _short(one.fms_probability), one.void]
        for one in (assessment.timeline if assessment else ())
    ]
    content = json.dumps({"windows": windows}, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script id="report-data" type="application/json">{content}</script>'


def _short(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 3)


def _banner(banner: str | None, classes: str) -> str:
    return f'<div class="{classes}" role="note">{_text(banner)}</div>' if banner else ""


def _print_banner(banner: str | None) -> str:
    """A style rule that puts the banner on top of every printed page; all but letters and digits is escaped."""
    if not banner:
        return ""
    safe = "".join(one if one.isascii() and one.isalnum() else f"\\{ord(one):06x}" for one in clean_name(banner))
    return f'@page {{ margin: 16mm 14mm; @top-center {{ content: "{safe}"; font: 700 10pt sans-serif; }} }}'


def _text(value: str) -> str:
    return html.escape(clean_name(value))


def _script_hash(script: str) -> str:
    """What the page's policy calls the script by: SHA-256 of the element's exact text (CSP level 3, section 2.3.1)."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _resource(name: str) -> str:
    return resources.files("fidgety.report").joinpath(name).read_text(encoding="utf-8")
