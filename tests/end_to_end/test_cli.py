"""The command line from recording to result, on the sample recording whose truth is known."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.demo_files import demo_file
from fidgety.export.publish import DEMO_BANNER
from fidgety.phantom.fidgety_movements import true_fms_frequency
from fidgety.phantom.truth import read_truth
from fidgety.records import Assessment, Characteristics, Stretch
from fidgety.runtime.pipeline import Job, assess_poses, assess_recording
from fidgety.runtime.posefile import PoseRecording, open_poses
from fidgety.runtime.source import open_source

from ..conftest import Outcome
from .conftest import REAL, Run

SAMPLE = demo_file("sample.mp4")
UNTOLD = {"picture-not-judged", "pose-network-unknown"}
INFANT = ("--age-weeks", "13", "--gestation", "39+2", "--sex", "female", "--birth-weight", "3300")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def scored(run: Run, results: Path) -> Outcome:
    """The sample as `make demo` scores it; computed once, then found."""
    return run("score", SAMPLE, *INFANT, "--out", results)


def test_score_sample_is_near_its_truth(scored: Outcome, results: Path) -> None:
    assert scored.code == 0
    (stored,) = results.glob("*.json")
    result = json.loads(stored.read_text())
    truth = read_truth(SAMPLE)
    bouts = [Stretch(float(start), float(end)) for start, end in truth.bouts_s]
    true = true_fms_frequency(bouts, len(truth.times_s) / 25.0)
    assert abs(result["fms_frequency"]["value"] - true) <= 0.10
    assert result["risk"]["is_risk"] is False
    assert result["risk"]["used_characteristics"] is True
    assert result["fms_frequency"]["low"] < result["fms_frequency"]["value"] < result["fms_frequency"]["high"]


def test_score_text_fits_a_small_screen_and_carries_the_banner(scored: Outcome) -> None:
    lines = scored.out.splitlines()
    assert lines[0] == DEMO_BANNER
    assert all(len(line) <= 60 for line in lines if not line.startswith("Report"))
    assert any(line.startswith("FMs frequency") for line in lines)


def test_score_leaves_report_result_and_poses(scored: Outcome, results: Path) -> None:
    assert scored.code == 0
    assert sorted(path.suffix for path in results.iterdir()) == [".html", ".json", ".poses"]
    (page,) = results.glob("*.html")
    html = page.read_text()
    assert DEMO_BANNER in html
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert "https://" not in html


def test_score_again_is_not_computed_again(scored: Outcome, run: Run, results: Path) -> None:
    assert scored.code == 0
    (stored,) = results.glob("*.json")
    before = stored.stat().st_mtime_ns
    again = run("score", SAMPLE, *INFANT, "--out", results)
    assert "scored before" in again.out
    assert stored.stat().st_mtime_ns == before


def test_score_of_poses_equals_score_of_recording(scored: Outcome, run: Run, results: Path) -> None:
    assert scored.code == 0
    (stored,) = results.glob("*.json")
    (poses,) = results.glob("*.poses")
    outcome = run("score", poses, *INFANT, "--json", "--out", "other")
    assert outcome.code == 0
    of_recording, of_poses = json.loads(stored.read_text()), json.loads(outcome.out)
    assert of_poses["fms_frequency"] == of_recording["fms_frequency"]
    assert of_poses["risk"] == of_recording["risk"]
    assert of_poses["timeline"] == of_recording["timeline"]
    assert of_poses["quality"] == of_recording["quality"]


def test_score_with_other_characteristics_is_computed_anew(run: Run, coco_track: Path) -> None:
    first = run("score", coco_track, "--age-weeks", "13", "--out", "twice")
    second = run("score", coco_track, "--age-weeks", "14", "--out", "twice")
    assert first.code == second.code == 0
    assert "scored before" not in second.out
    assert "left out" in second.out  # the Info Branch: gestation, sex and weight are not known


def test_assess_poses_streams_the_same_for_any_pause(results: Path, scored: Outcome, bundle: Bundle) -> None:
    """Poses that come one by one, from a live iterator, give what the stored track gives."""
    assert scored.code == 0
    (path,) = results.glob("*.poses")
    stored = open_poses(path)
    job = Job("sample", Characteristics(13.0))
    live = PoseRecording(stored.name, stored.skeleton, iter(list(stored.poses)), stored.n_poses, {})
    _assert_same(assess_poses(stored, bundle, job), assess_poses(live, bundle, job))


def test_assess_recording_twice_gives_the_same(scenes, bundle: Bundle) -> None:  # type: ignore[no-untyped-def]
    """Threads must not change the result."""
    outcomes = []
    for n_threads in (1, 2, 4):
        with open_source(str(scenes("plain"))) as source:
            outcomes.append(assess_recording(source, bundle, Job("plain", Characteristics(13.0), n_threads=n_threads)))
    for other in outcomes[1:]:
        assert other.quality.measures == pytest.approx(outcomes[0].quality.measures, rel=1e-4)


def _assert_same(one: Assessment, other: Assessment) -> None:
    assert one.frequency == other.frequency
    assert one.timeline == other.timeline
    assert one.bouts == other.bouts


@pytest.fixture(scope="module")
def coco_track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated infant's COCO-17 track as a cohort holds it."""
    from fidgety.phantom.cohort_files import CohortPlan, write_cohort

    folder = tmp_path_factory.mktemp("cohort") / "internal"
    write_cohort(folder, CohortPlan(seed=4, n_infants=1, duration_s=(66.0, 66.0)))
    (track,) = folder.glob("recordings/*.poses")
    return track


def test_score_coco_track_and_the_same_of_numpy(run: Run, coco_track: Path, tmp_path: Path) -> None:
    outcome = run("score", coco_track, *INFANT, "--json")
    assert outcome.code == 0
    frequency = json.loads(outcome.out)["fms_frequency"]
    assert frequency["n_instances"] >= 8
    assert warnings_of(outcome) >= UNTOLD

    poses = list(open_poses(coco_track).poses)
    xyc = np.stack([np.column_stack([pose.keypoints_xy, pose.keypoint_scores]) for pose in poses])
    np.savez(tmp_path / "track.npz", xyc=xyc, fps=25.0)
    again = run("score", tmp_path / "track.npz", *INFANT, "--json")
    assert again.code == 0
    assert json.loads(again.out)["fms_frequency"] == frequency
    assert warnings_of(again) >= UNTOLD


def warnings_of(outcome: Outcome) -> set[str]:
    reasons = json.loads(outcome.out)["quality"]["reasons"]
    return {reason["code"] for reason in reasons if not reason["is_blocking"]}


def test_score_track_that_does_not_tell_where_it_comes_from_is_never_ok(run: Run, coco_track: Path) -> None:
    outcome = run("score", coco_track, *INFANT, "--out", "untold")
    assert outcome.code == 0
    assert any(line.split()[:3] == ["Quality", "2", "warnings"] for line in outcome.out.splitlines())
    (page,) = Path("untold").glob("*.html")
    html = page.read_text()
    assert all(code in html for code in UNTOLD)
    assert "no warnings" not in html


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real test data is not beside the project")
def test_score_real_coco_track(run: Run) -> None:
    track = REAL / "tracks" / "infant_coco17_1000.npz"
    unknown = run("score", track, *INFANT)
    assert unknown.code == 2
    assert "--fps" in unknown.err
    outcome = run("score", track, *INFANT, "--fps", "25", "--json", "--min-assessable-s", "20")
    assert outcome.code in (0, 3)
    assert json.loads(outcome.out)["duration_s"] == pytest.approx(999 / 25)


def test_version_is_that_of_the_package(run: Run) -> None:
    told = run("--version")
    assert (told.code, told.out.strip()) == (0, f"fidgety {version('fidgety')}")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['fidgety', '--help']\n"
        "from fidgety.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'cv2', 'onnxruntime', 'av', 'torch', 'onnx', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "score" in done.stdout
    assert done.stderr.strip() == "[]"


def test_bundle_commands(run: Run, bundle: Bundle) -> None:
    shown = run("bundle", "show")
    assert shown.code == 0
    assert bundle.label in shown.out
    verified = run("bundle", "verify")
    assert verified.code == 0
    assert f"{len(bundle.manifest.files)} files" in verified.out
    built = run("bundle", "build")
    assert built.code == 0
    assert "up to date" in built.out


def test_bundle_build_offline_with_a_wrong_file(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
    wrong.write_bytes(b"not it")
    outcome = run("bundle", "build", "--bundle", tmp_path / "new", "--offline", wrong)
    assert outcome.code == 5
    assert not (tmp_path / "new").exists()
