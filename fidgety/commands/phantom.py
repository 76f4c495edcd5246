"""`fidgety phantom ...`: recordings and pose tracks of simulated infants whose truth is known."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import BundlePath, load_bundle, log

if TYPE_CHECKING:
    from fidgety.phantom.motion import Motion

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The digital phantom: recordings whose truth is known.")


class Kind(str, Enum):
    """Categories of FMs, and controls that hold none."""

    continual = "continual"
    intermittent = "intermittent"
    sporadic = "sporadic"
    absent = "absent"
    motionless = "motionless"
    breathing = "breathing"
    slow_posture = "slow posture"
    kicks_only = "kicks"
    tremor_only = "tremor"
    crying_only = "crying"


_CATEGORIES = (Kind.continual, Kind.intermittent, Kind.sporadic, Kind.absent)


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="Video to write (.mp4); its truth comes beside it.")],
    kind: Annotated[Kind, typer.Option(help="Category of FMs, or a control without FMs.")] = Kind.intermittent,
    seed: Annotated[int, typer.Option(min=0, help="Infant, movement and look follow from it.")] = 1,
    seconds: Annotated[float, typer.Option(min=1.0, max=3600.0)] = 90.0,
    fps: Annotated[float, typer.Option(min=1.0, max=240.0)] = 25.0,
    width: Annotated[int, typer.Option(min=64, max=7680)] = 1280,
    height: Annotated[int, typer.Option(min=64, max=4320)] = 720,
    fill: Annotated[float, typer.Option(min=0.05, max=3.0, help="Share of the picture that the infant takes.")] = 0.75,
    tilt: Annotated[float, typer.Option(min=0.0, max=80.0, help="Degrees from straight above.")] = 10.0,
    roll: Annotated[float, typer.Option(help="Turn of the infant in the picture, degrees clockwise.")] = 0.0,
    activity: Annotated[float, typer.Option(min=0.0, max=5.0, help="Factor on the rate of gross movements.")] = 1.0,
    fms_amplitude: Annotated[float, typer.Option(min=0.1, max=3.0, help="Factor on the size of FMs.")] = 1.0,
    kicks: Annotated[bool, typer.Option("--kicks", help="Confounder: vigorous kicking.")] = False,
    crying: Annotated[bool, typer.Option("--crying", help="Confounder: stretches of crying.")] = False,
    tremor: Annotated[bool, typer.Option("--tremor", help="Confounder: 6-8 Hz in the limbs.")] = False,
    carer_hand: Annotated[bool, typer.Option("--carer-hand", help="Confounder: a hand reaches in.")] = False,
    threads: Annotated[int, typer.Option(min=1, max=16, help="Threads of the video encoder.")] = 1,
) -> None:
    """Render one recording of a simulated infant and write its truth beside it."""
    from fidgety.phantom.appearance import draw_appearance
    from fidgety.phantom.kinematics import simulate_control, simulate_motion, true_fms_frequency
    from fidgety.phantom.motion import Confounders
    from fidgety.phantom.scene import frame_camera
    from fidgety.phantom.video import render_recording

    motion: Motion
    if kind in _CATEGORIES:
        confounders = Confounders(activity, kicks, crying, tremor, fms_amplitude)
        motion = simulate_motion(seed, kind.value, seconds, fps, confounders)  # type: ignore[arg-type]
    else:
        motion = simulate_control(kind.value, seed, seconds, fps)  # type: ignore[arg-type]
    camera = frame_camera(motion, fill=fill, tilt_deg=tilt, roll_deg=roll, width_px=width, height_px=height)
    render_recording(out, motion, camera, draw_appearance(seed, has_carer_hand=carer_hand), threads=threads)
    print(
        f"{out}: {len(motion)} frames, {len(motion.bouts)} FMs bouts, "
        f"true FMs frequency {true_fms_frequency(motion.bouts, seconds):.2f}"
    )


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(help="Folder for sample.mp4 and its truth.")],
) -> None:
    """Render the sample recording of `make demo` anew."""
    from fidgety.phantom.video import render_sample

    render_sample(out)
    print(f"sample.mp4 and its truth written to {out}")


class CohortName(str, Enum):
    """The cohorts of the paper: internal, external (another site), clip-annotated for pre-training."""

    internal = "internal"
    external = "external"
    clips = "clips"


@app.command()
def cohort(
    out: Annotated[Path, typer.Argument(help="Folder for tables and recordings; it may not hold a cohort yet.")],
    kind: Annotated[
        CohortName, typer.Option(help="internal; external: another site, cameras, noise, mix; clips: two raters.")
    ] = CohortName.internal,
    n_infants: Annotated[
        int | None, typer.Option("--infants", min=1, max=100_000, help="Default: 20; 8 for clips.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    n_cameras: Annotated[int, typer.Option("--cameras", min=1, max=100, help="Recordings of each infant.")] = 1,
    seconds: Annotated[tuple[float, float], typer.Option(help="Shortest and longest recording.")] = (90.0, 180.0),
    kappa: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Agreement of the two raters (clips only; .8).")
    ] = None,
    has_videos: Annotated[
        bool, typer.Option("--videos", help="Render videos in place of pose tracks. Slow: minutes each.")
    ] = False,
) -> None:
    """Simulate a cohort that `fidgety cohort check` takes: tables, a pose track per camera, and the truth beside it."""
    from fidgety.errors import UsageError
    from fidgety.phantom.cohort_files import CohortPlan, write_cohort
    from fidgety.phantom.cohort_kinds import KINDS

    if kappa is not None and not KINDS[kind.value].has_clips:
        raise UsageError(f"--kappa: nobody rates clips of the {kind.value} cohort; ask for --kind clips")
    plan = CohortPlan(
        KINDS[kind.value], seed, n_infants, n_cameras, seconds, has_videos, 0.8 if kappa is None else kappa
    )
    if has_videos:
        log(f"rendering {plan.n_recordings} videos; minutes each")
    print(f"{kind.value} cohort of {write_cohort(out, plan)} recordings written to {out}")


@app.command()
def noise(
    out: Annotated[Path, typer.Argument(help="File to write (.npz).")],
    folder: Annotated[Path, typer.Option(help="Folder for the rendered recordings.")] = Path("noise-study"),
    n_recordings: Annotated[int, typer.Option("--recordings", min=2)] = 12,
    seconds: Annotated[float, typer.Option(min=11.0)] = 24.0,
    bundle_path: BundlePath = None,
) -> None:
    """Measure how wrong the pose network is on rendered recordings: what the training tracks then carry."""
    from fidgety.phantom.noise_study import Study, run_study

    log(f"rendering and reading {n_recordings} recordings; minutes each")
    run_study(Study(n_recordings, seconds), load_bundle(bundle_path), folder).save(out)
    print(f"pose noise written to {out}")


class PlanName(str, Enum):
    """How much the fidelity bench measures."""

    quick = "quick"
    amplitudes = "amplitudes"
    views = "views"
    full = "full"


@app.command()
def fidelity(
    out: Annotated[Path, typer.Argument(help="Folder for fidelity.csv, .md, .svg and .html.")],
    plan: Annotated[
        PlanName,
        typer.Option(
            help="quick: the targets' camera; amplitudes: 5, 10 and 20 mm before it; views: nine cameras, one hour; "
            "full: 24 cameras, many hours."
        ),
    ] = (PlanName.quick),
    folder: Annotated[
        Path, typer.Option(help="Folder for the rendered recordings; those that are there are used again.")
    ] = Path("fidelity-recordings"),
    before: Annotated[
        Path | None, typer.Option(help="fidelity.csv of another run, to stand beside this one in tables and plots.")
    ] = None,
    bundle_path: BundlePath = None,
) -> None:
    """Measure what the chain does to known movements: gain, phase, noise floor, spurious lines, cross-talk."""
    from fidgety.batch import make_folder
    from fidgety.phantom.fidelity.bench import describe_chain, run_plan
    from fidgety.phantom.fidelity.plan import PLANS
    from fidgety.phantom.fidelity.report import About, write_fidelity
    from fidgety.phantom.fidelity.table import read_rows

    earlier = None if before is None else read_rows(before)
    bundle = load_bundle(bundle_path)
    make_folder(out)
    make_folder(folder)
    chosen = PLANS[plan.value]
    rows = run_plan(chosen, bundle, folder, log)
    about = About(chosen.name, bundle.label, bundle.manifest.provenance.banner, describe_chain(bundle), earlier)
    write_fidelity(out, rows, about)
    print(f"{len(rows)} figures of the bundle {bundle.label} written to {out}")
