"""`fidgety export`: what earns its place is kept, with the report; refused or broken off, nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fidgety import cli
from fidgety.bundle import Bundle, default_bundle_path, open_bundle, sha256_of_file
from fidgety.bundle.manifest import PRECISION_REPORT
from fidgety.calibration.activation_ranges import ActivationRanges, GraphRanges
from fidgety.calibration.networks import Network, networks_of
from fidgety.calibration.recorded_inputs import RecordedInputs, RecordingUsed
from fidgety.commands.bundle import show
from fidgety.errors import BundleError, DeviceError, UsageError
from fidgety.export import reference, variants
from fidgety.export.candidates import Candidate, stage
from fidgety.export.chain_parity import score_run
from fidgety.export.together import Passed, Settled
from fidgety.export.variants import RULE, Request, export_precisions

pytestmark = pytest.mark.bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(default_bundle_path())


@pytest.fixture
def request_of(bundle: Bundle, clip: Path) -> Callable[..., Request]:
    def make(**changes: object) -> Request:
        return replace(Request(bundle, ("fp16",), None, None, (clip,), "a machine", n_rounds=2), **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def only_window(monkeypatch: pytest.MonkeyPatch, recorded_clip: RecordedInputs) -> None:
    """The window graph is the only network, and the clip was listened to before: seconds in place of minutes."""
    for module in (variants, reference):
        monkeypatch.setattr(module, "networks_of", lambda m: [n for n in networks_of(m) if n.name == "mam_window"])
    monkeypatch.setattr(reference, "listen", lambda *_: recorded_clip)


def ranges_for(bundle: Bundle, sha256: str = "0" * 64) -> ActivationRanges:
    graphs = {n.name: GraphRanges(bundle.manifest.files[n.file], {}) for n in networks_of(bundle.manifest)}
    return ActivationRanges(bundle.label, (RecordingUsed("seen.mp4", sha256, 24, 9),), "0" * 64, graphs)


def quiet(_: str) -> None:
    pass


@pytest.mark.usefixtures("only_window")
def test_export_keeps_what_earns_its_place_with_the_report(
    request_of: Callable[..., Request], bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, report = export_precisions(request_of(), tmp_path / "bundle", quiet)
    again = open_bundle(tmp_path / "bundle")
    assert again.manifest.parent == bundle.sha256 and again.manifest.version != bundle.manifest.version
    [variant] = again.manifest.variants
    assert (variant.file, variant.precision, dict(variant.sizes)) == ("mam_window.fp16.onnx", "fp16", {"B": 1})
    graph = bundle.manifest.mam.window_graph
    assert again.graph(graph, "tensorrt", 1) == again.file("mam_window.fp16.onnx")
    assert again.graph(graph) == again.file(graph)
    told = json.loads(again.file(PRECISION_REPORT).read_bytes())
    assert [(row["network"], row["precision"], row["is_kept"]) for row in told["rows"]] == [
        ("mam_window", "fp32", True),
        ("mam_window", "fp16", True),
    ]
    assert [device for device, _ in told["together"]] == ["cuda", "tensorrt"]
    assert made.sha256 == again.sha256 and report.rows[1].chain[0].n_instances >= 1
    assert {name: again.manifest.files[name] for name in bundle.manifest.files} == bundle.manifest.files
    show(again.path)
    shown = capsys.readouterr().out
    assert RULE in shown and "mam_window fp16" in " ".join(shown.split())


@pytest.mark.usefixtures("only_window")
def test_export_doctored_variant_is_not_kept(
    request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doctored(network: Network, graph: Path, *rest: object) -> Candidate:
        model = onnx.load(graph)
        bias = next(c for c in model.graph.initializer if c.name == "clip.head_bias")
        moved = numpy_helper.to_array(bias) + np.array([0.5, 0.0], np.float32)
        bias.CopyFrom(numpy_helper.from_array(moved, bias.name))
        onnx.save(model, tmp_path / "doctored.onnx")
        return stage(network, tmp_path / "doctored.onnx", *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(variants, "stage", doctored)
    made, report = export_precisions(request_of(), tmp_path / "bundle", quiet)
    assert made.manifest.variants == () and "logit off" in report.rows[1].reason


@pytest.mark.usefixtures("only_window")
def test_export_variant_that_loses_the_infant_is_not_kept(
    request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise BundleError("no window of it can be scored")

    monkeypatch.setattr(reference.Reference, "chain", lost)
    made, report = export_precisions(request_of(), tmp_path / "bundle", quiet)
    assert made.manifest.variants == () and "can no longer be scored" in report.rows[1].reason


@pytest.mark.usefixtures("only_window")
def test_export_what_fails_together_leaves_with_the_reason_in_the_report(
    request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(_: object, passed: Sequence[Passed], *_rest: object) -> Settled:
        [one] = passed
        return Settled([], {one.candidate.path: "on cuda with lifter.fp16.onnx: the risk changes by .1"})

    monkeypatch.setattr(variants, "settle", left)
    made, report = export_precisions(request_of(), tmp_path / "bundle", quiet)
    assert made.manifest.variants == () and report.together == ()
    assert [(row.is_kept, row.reason) for row in report.rows] == [
        (True, "the reference"),
        (False, "on cuda with lifter.fp16.onnx: the risk changes by .1"),
    ]


@pytest.mark.usefixtures("only_window")
def test_export_to_a_full_disk_leaves_nothing_half_written(
    request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", copy_half)
    with pytest.raises(DeviceError, match="No space left"):
        export_precisions(request_of(), tmp_path / "bundle", quiet)
    assert not (tmp_path / "bundle").exists() and not list(tmp_path.rglob("*.onnx"))


def test_export_int8_without_ranges(request_of: Callable[..., Request], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int8 needs activation ranges"):
        export_precisions(request_of(precisions=("int8-x86",)), tmp_path / "bundle", quiet)


def test_export_judged_by_a_recording_that_the_ranges_have_seen(
    request_of: Callable[..., Request], bundle: Bundle, clip: Path, tmp_path: Path
) -> None:
    ranges = ranges_for(bundle, sha256_of_file(clip))
    with pytest.raises(UsageError, match=r"clip\.mp4 was used for the ranges"):
        export_precisions(request_of(ranges=ranges), tmp_path / "bundle", quiet)


def test_export_with_ranges_of_another_graph(
    request_of: Callable[..., Request], bundle: Bundle, tmp_path: Path
) -> None:
    ranges = ranges_for(bundle)
    graphs = {**ranges.graphs, "lifter": GraphRanges("1" * 64, {})}
    with pytest.raises(UsageError, match=r"measured on another lifter\.onnx"):
        export_precisions(request_of(ranges=replace(ranges, graphs=graphs)), tmp_path / "bundle", quiet)


def test_export_without_recordings(request_of: Callable[..., Request], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the parity gate needs recordings"):
        export_precisions(request_of(recordings=()), tmp_path / "bundle", quiet)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "fp8"], "--precision 'fp8': one of fp16, int8-x86, int8-tensorrt"),
        (["--ranges", "none.json"], "none.json cannot be read"),
        (["--precision", "int8-x86"], "int8 needs activation ranges"),
        (["none.mp4", "--precision", "fp16"], "none.mp4 cannot be read"),
    ],
)
def test_export_command_wrong_use_is_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["fidgety", "export", "--out", "made", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.rglob("manifest.json"))


def test_score_run_is_the_reference_of_the_gate(bundle: Bundle, recorded_clip: RecordedInputs) -> None:
    one, other = (score_run("clip", recorded_clip.poses, bundle) for _ in range(2))
    assert [s.fms_probability for s in one.scores] == [s.fms_probability for s in other.scores]
