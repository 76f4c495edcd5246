"""`fidgety calibrate ...`: a bundle fitted to a site, from the site's own labelled recordings."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import BundlePath, load_bundle, log, needs_extras

if TYPE_CHECKING:
    from fidgety.bundle import Bundle
    from fidgety.training.site import ProbabilityFigures, SiteScores

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Fit a bundle to a site, from the site's own labelled recordings.")

Cohort = Annotated[Path, typer.Argument(help="Folder with infants.csv, recordings.csv and recordings.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for results (scored once, found again) and the new bundle.")]


class MethodName(str, Enum):
    """What of the line from logit to risk may move."""

    line = "line"
    temperature = "temperature"


@app.command("probability")
def probability(
    cohort: Cohort,
    out: Out,
    method: Annotated[
        MethodName, typer.Option(help="line: slope and intercept; temperature: the slope alone.")
    ] = MethodName.line,
    bundle_path: BundlePath = None,
) -> None:
    """Make the risk mean what it says at this site."""
    with needs_extras("calibrating", "train"):
        from fidgety.training.evaluation.plots import as_file, draw_calibration
        from fidgety.training.site import (
            calibrate_probability,
            derive_bundle,
            moved_operating_point,
            probability_figures,
        )
    from fidgety.report.files import write_text

    bundle = load_bundle(bundle_path)
    scores = _score_site(cohort, out, bundle)
    new, left_out = calibrate_probability(scores, bundle.manifest.probability, method.value)
    told = {"as it was": scores, "calibrated, on infants left out": left_out}
    plot = out / "reliability.svg"
    write_text(plot, as_file(draw_calibration(told, f"Risks at {scores.site}")))
    present = bundle.manifest
    point = moved_operating_point(present.operating_point, present.probability, new)
    made = derive_bundle(bundle, out / "bundle", probability=new, operating_point=point)
    print(f"{'':<31}  Brier  slope  in the large")
    for name, risks in told.items():
        print(f"{name:<31}  {_told(probability_figures(risks))}")
    before, after = present.operating_point.risk_threshold, point.risk_threshold
    if point.site is None:
        print(f"risk threshold  {after:.4f} as before, of the new risks: findings may change")
    else:
        print(f"risk threshold  {before:.4f} -> {after:.4f}: finds the same")
    _tell_made(made, out, f", reliability plot to {plot}")


@app.command("operating-point")
def operating_point(
    cohort: Cohort,
    out: Out,
    sensitivity: Annotated[float, typer.Option(help="Wanted at least, such as .95.")],
    prevalence: Annotated[
        float | None, typer.Option(help="Share at risk among the infants you record: gives PPV and NPV.")
    ] = None,
    bundle_path: BundlePath = None,
) -> None:
    """Choose the risk threshold for a wanted sensitivity at this site."""
    with needs_extras("calibrating", "train"):
        from fidgety.training.site import choose_operating_point, derive_bundle

    bundle = load_bundle(bundle_path)
    scores = _score_site(cohort, out, bundle)
    chosen = choose_operating_point(scores, bundle.manifest.operating_point, sensitivity, prevalence)
    made = derive_bundle(bundle, out / "bundle", operating_point=chosen)
    site = chosen.site
    assert site is not None
    print(f"risk threshold  {bundle.manifest.operating_point.risk_threshold:.4f} -> {chosen.risk_threshold:.4f}")
    for name, share, n in (
        ("sensitivity", site.sensitivity, site.n_risk),
        ("specificity", site.specificity, site.n_normal),
    ):
        print(f"{name:<14}  {share.value:.3f} (95 % interval {share.low:.3f} to {share.high:.3f}), {n} infants")
    if site.prevalence is not None:
        print(f"at a prevalence of {site.prevalence:g}: PPV {_value(site.ppv)}, NPV {_value(site.npv)}")
    _tell_made(made, out, "")


@app.command("ranges")
def ranges(
    recordings: Annotated[
        list[Path], typer.Argument(help="Recordings of several infants, not those of the parity gate.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for activation_ranges.json, which `export` reads.")],
    n_frames: Annotated[int, typer.Option("--frames", help="Frames to measure on, spread over all recordings.")] = 120,
    bundle_path: BundlePath = None,
) -> None:
    """Measure how far the values inside the networks swing on real frames: what int8 needs."""
    with needs_extras("measuring ranges", "export"):
        from fidgety.calibration.activation_ranges import RANGES_FILE, ranges_of, write_ranges
    from fidgety.batch import make_folder
    from fidgety.bundle import sha256_of_file

    path = make_folder(out) / RANGES_FILE
    bundle = load_bundle(bundle_path)
    log(f"reading {len(recordings)} recordings; about as long as scoring them")
    found = ranges_of(recordings, bundle, n_frames)
    write_ranges(path, found)
    for used in found.recordings:
        print(f"{used.name}: {used.n_frames} frames, {used.n_windows} windows, sha256 {used.sha256[:12]}")
    print(f"ranges of {len(found.graphs)} networks of {found.bundle} written to {path} ({sha256_of_file(path)[:12]})")


def _score_site(cohort: Path, out: Path, bundle: Bundle) -> SiteScores:
    """Score every included recording, or find what was scored before."""
    with needs_extras("calibrating", "train"):
        from fidgety.cohort.read import read_cohort
        from fidgety.training.site import site_scores
    from fidgety.batch import Request, make_folder, score_one
    from fidgety.cohort.inclusion import InclusionRules, include
    from fidgety.cohort.records import characteristics_at, earliest_first

    least_s = bundle.manifest.quality.min_assessable_s
    included = include(read_cohort(cohort), InclusionRules(use="evaluation", min_recording_s=least_s)).cohort
    folder = make_folder(out / "results")
    infants, scored = included.infants_by_id, []
    for number, recording in enumerate(earliest_first(included.recordings), start=1):
        log(f"score {number} of {len(included.recordings)}: {recording.file}")
        infant = infants[recording.infant_id]
        request = Request(bundle, characteristics_at(infant, recording), folder)
        outputs = score_one(str(recording.path), request, lambda _: None)
        scored.append((infant.infant_id, infant.label == "risk", outputs.assessment))
    sites = dict.fromkeys(infant.site for infant in included.infants)
    found = site_scores(" and ".join(sites) or cohort.name, scored)
    n_risk = int(found.is_risk.sum())
    print(
        f"{found.site}: {n_risk} infants at risk, {len(found.is_risk) - n_risk} normal; {found.n_refused} could not be "
        "assessed and would be referred"
    )
    print("of each infant the first recording that could be assessed counts: figures are of one recording")
    return found


def _tell_made(made: Bundle, out: Path, also: str) -> None:
    print(f"bundle {made.label} written to {out / 'bundle'}{also}")
    print("put it into use with `fidgety bundle sign` and `install`, or name it with --bundle")


def _told(figures: ProbabilityFigures) -> str:
    return f"{figures.brier:5.3f}  {_value(figures.slope):>5}  {figures.in_the_large:+.2f}"


def _value(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.3f}"
