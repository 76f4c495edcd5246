"""Pose networks + lifter + MAM graphs -> a bundle that may be used: every gate first, then one rename.

The pose networks are fetched, converted and proved here; the MAM graphs, the lifter behind which MAM was trained and
what was fitted with them (`mam.json`) come from training and lie in `fidgety/demo`. A bundle that is there already and
would come out the same is left alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.bundle import (
    Bundle,
    CharacteristicScale,
    LabelScheme,
    LifterSettings,
    MamSettings,
    Manifest,
    OperatingPoint,
    PoseSettings,
    ProbabilityCalibration,
    Provenance,
    QualityLimits,
    open_bundle,
    sha256_of_file,
    write_bundle,
)
from fidgety.bundle.manifest import FORMAT
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.export.fetch import Variant
from fidgety.export.own_pose import OwnPose, whole_network
from fidgety.export.own_pose_gate import require_own_pose
from fidgety.export.own_pose_movement import require_movement, still_frames
from fidgety.export.parity import ParityReport
from fidgety.export.pose import PoseNetworks, export_pose_networks
from fidgety.records import Frame, UInt8Array
from fidgety.runtime.blazepose import Region, crop_picture
from fidgety.runtime.source import open_source
from fidgety.runtime.track import DEVICE_TRACK, MIN_SOURCE_FPS

__all__ = ["DEMO_BANNER", "build_bundle", "is_current", "trained_file"]

DEMO_BANNER = "DEMO - trained on simulated movement - not for clinical use"
MAM_GRAPHS = ("mam_window.onnx", "mam_bag.onnx", "mam_info.onnx")
_N_PICTURES = 6  # frames of the sample recording that the parity gate looks at
_GATE_S = 30.0  # of it through the whole chain, for a pose network of the user's own

# Each line lies between what was measured on rendered scenes (640 x 360, 13 s; good: six infants and looks, four ways
# round, 15 to 30 fps, tilt 40, far, near, dim, soft focus, a carer's hand) and on two real clips: a plain one, filmed
# by hand (A), and a small clinical one with drawn crosses whose pose is poor (B).
QUALITY_LIMITS = QualityLimits(
    min_age_weeks=9.0,
    max_age_weeks=20.0,
    age_margin_days=3.0,
    min_assessable_s=60.0,
    min_source_fps=MIN_SOURCE_FPS,
    min_infant_share=0.5,  # empty mats and floors 0; good 1, A .99, B .82
    min_limb_coverage=0.7,  # SPEC 7; good >= .997, A .86, B .74
    min_distal_coverage=0.5,  # cut off <= .48, prone 0, .07 and .89; good >= .982, A .71, B .63
    max_outside_share=0.1,  # cut off >= .22; good 0, A .001
    min_supine_share=0.5,  # prone <= .01; good >= .83 (head turned away), A .99
    max_leg_to_trunk=1.75,  # good 0.96 to 1.28, tilt 40 degrees 1.55; an adult's bones 1.7, so it is travel that tells
    max_travel_trunks=3.0,  # an adult who walks past 6.9; good <= .24, A .70, B 1.1
    max_other_share=0.2,  # two infants >= .86; one 0
    max_camera_shift_share=0.4,  # by hand >= .92, A .96; on a stand 0, with a carer's hand in the picture 0, B .02
    min_bright_luma=50.0,  # a dark room 35 to 37; dim 73
    min_sharpness=0.22,  # blur of 6 px on an infant of 300 px .13 to .19; soft focus >= .26, good >= .33, A .42
    max_jitter_mm=2.5,  # B 9.1; A 1.6, good <= .34
    # B 13.5; A 3.6, good .1 to 2.0 (it is the infant's own movement when it never pauses); FMs reach 3 to 20 mm
    max_noise_floor_mm=8.0,
)


def is_current(path: Path, variant: Variant, mam_dir: Path | None = None, version: str | None = None) -> bool:
    """True when the bundle at `path` is whole, has this pose network and version and was made of these MAM graphs."""
    try:
        manifest = open_bundle(path).manifest
    except BundleError:
        return False
    training = _read_training(mam_dir, version)
    graphs = {name: sha256_of_file(trained_file(name, mam_dir)) for name in _graphs(training)}
    wanted = _manifest(training, variant, manifest.provenance)
    return (
        all(manifest.files.get(name) == digest for name, digest in graphs.items())
        and replace(manifest, files={}) == wanted
        and (manifest.provenance.mam_source, manifest.provenance.lifter_source) == _sources(training)
    )


def build_bundle(
    path: Path,
    variant: Variant,
    cache_dir: Path,
    offline: Path | None = None,
    mam_dir: Path | None = None,
    own: OwnPose | None = None,
    version: str | None = None,
) -> tuple[Bundle, ParityReport]:
    """Fetch and prove the pose networks, add MAM, write the bundle folder `path`.

    `mam_dir`: a folder that training wrote (default: the demo weights). `own`: a pose network that takes the place of
    BlazePose's landmarks, once it has passed its gate beside them. `version`: in place of the one that training told; a
    device installs higher ones only. Raises FetchError, BundleError, DeviceError; then nothing has changed at `path`.
    """
    training = _read_training(mam_dir, version)
    pictures = _parity_pictures()
    with tempfile.TemporaryDirectory(prefix="fidgety-") as staging:
        networks = export_pose_networks(variant, Path(staging), cache_dir, offline, pictures=pictures)
        report = Path(staging) / "pose_parity.txt"
        report.write_text(f"{networks.parity}\n", encoding="utf-8")
        manifest = _manifest(training, variant, _provenance(networks, training))
        contents = {
            manifest.pose.detector: networks.detector,
            manifest.pose.landmarks: networks.landmarks,
            **{name: trained_file(name, mam_dir) for name in _graphs(training)},
            report.name: report,
        }
        if own is None:
            return write_bundle(path, manifest, contents), networks.parity
        blazepose = write_bundle(Path(staging) / "blazepose", manifest, contents)
        network = whole_network(own.path, Path(staging) / "own.onnx")
        manifest = _manifest(training, variant, _with_own(manifest.provenance, own, network), own)
        contents = {name: source for name, source in contents.items() if source != networks.landmarks}
        contents[manifest.pose.landmarks] = network
        trial = write_bundle(Path(staging) / "own", manifest, contents)
        found = require_own_pose(trial, blazepose, _gate_frames())
        moved = require_movement(
            trial, blazepose, _first_seconds, lambda: still_frames(next(_first_seconds()), 300, 25.0)
        )
        note = Path(staging) / "own_pose_gate.txt"
        note.write_text(f"{found}\n{moved}\n", encoding="utf-8")
        return write_bundle(path, manifest, {**contents, note.name: note}), networks.parity


def _manifest(
    training: dict[str, Any], variant: Variant, provenance: Provenance, own: OwnPose | None = None
) -> Manifest:
    try:
        return Manifest(
            format=FORMAT,
            name=str(training["name"]),
            version=f"{training['version']}-{variant if own is None else 'own'}",
            parent=None,
            provenance=provenance,
            pose=PoseSettings(
                family="blazepose" if own is None else own.network.family,
                variant=variant if own is None else "own",
                skeleton="blazepose33" if own is None else "coco17",
                detector="pose_detector.onnx",
                landmarks=f"pose_landmarks_{variant}.onnx" if own is None else "pose_network.onnx",
                detector_size_px=224,
                crop_size_px=256,
                detector_threshold=0.5,
                presence_threshold=0.5,
                # 1.1 is .3 mm better on the phantom and loses a real infant in a third of the frames
                crop_margin=1.25 if own is None else own.crop_margin,
                reads_both_sides=True if own is None else own.may_be_mirrored,
                follows_picture=True,
                doubtful_score=0.3,
                sure_score=0.6,
                network=None if own is None else own.network,
            ),
            track=DEVICE_TRACK,
            lifter=_lifter_settings(training),
            mam=MamSettings(*MAM_GRAPHS, 240, 150, 20, max_missing_share=0.1, max_gap_ms=200.0),
            label_scheme=LabelScheme("mam-2023", ("continual", "intermittent"), ("sporadic", "absent")),
            probability=ProbabilityCalibration(**training["probability"]),
            operating_point=OperatingPoint(**training["operating_point"], site=None),
            quality=QUALITY_LIMITS,
            characteristics=tuple(CharacteristicScale(**row) for row in training["characteristics"]),
            variants=(),
            files={},
        )
    except (KeyError, TypeError) as error:
        raise BundleError(f"mam.json does not fit this program ({error}): train MAM anew with it") from error


def _provenance(networks: PoseNetworks, training: dict[str, Any]) -> Provenance:
    is_demo = training.get("trained_on") == "phantom"
    mam_source, lifter_source = _sources(training)
    return Provenance(
        trained_on="phantom" if is_demo else "recordings",
        banner=DEMO_BANNER if is_demo else None,
        pose_source=f"{networks.source_package}, sha256 {networks.source_sha256}",
        pose_licence=networks.licence,
        mam_source=mam_source,
        lifter_source=lifter_source,
        built_with={name: version(name) for name in ("fidgety", "onnx", "onnxruntime", "numpy")},
    )


def _with_own(provenance: Provenance, own: OwnPose, network: Path) -> Provenance:
    """Provenance with the network's own source and licence beside those of BlazePose, whose detector stays.

    A network that learned on the phantom makes the whole bundle a demo.
    """
    is_demo = own.trained_on == "phantom" or provenance.trained_on == "phantom"
    return replace(
        provenance,
        trained_on="phantom" if is_demo else provenance.trained_on,
        banner=DEMO_BANNER if is_demo else provenance.banner,
        pose_source=f"{own.source}, sha256 {sha256_of_file(network)}; detector: {provenance.pose_source}",
        pose_licence=f"{own.licence}; detector: {provenance.pose_licence}",
    )


def _gate_frames() -> list[Frame]:
    """Recorded frames of an infant, spread over the sample."""
    with open_source(str(demo_file("sample.mp4"))) as source:
        return [frame for frame in source.frames() if frame.frame_index % 400 == 0][:_N_PICTURES]


def _first_seconds() -> Iterator[Frame]:
    """The beginning of the sample: two bouts of FMs and the pauses around them."""
    with open_source(str(demo_file("sample.mp4"))) as source:
        yield from takewhile(lambda frame: frame.time_s < _GATE_S, source.frames())


def _sources(training: dict[str, Any]) -> tuple[str, str]:
    """The commands that made MAM and the lifter."""
    return str(training.get("command")), str(training["lifter"].get("command"))


def _lifter_settings(training: dict[str, Any]) -> LifterSettings:
    about = training["lifter"]
    return LifterSettings(str(about["graph"]), int(about["channels"]), tuple(map(int, about["dilations"])))


def _graphs(training: dict[str, Any]) -> tuple[str, ...]:
    """Files that a training folder gives to the bundle."""
    return (*MAM_GRAPHS, _lifter_settings(training).graph)


def _read_training(mam_dir: Path | None, version: str | None) -> dict[str, Any]:
    path = trained_file("mam.json", mam_dir)
    try:
        training = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{path} is damaged ({error}): train MAM anew") from error
    if not isinstance(training, dict):
        raise BundleError(f"{path} is damaged: train MAM anew")
    if not isinstance(training.get("lifter"), dict):
        raise BundleError(f"{path} names no lifter: train MAM anew with this program")
    return training if version is None else {**training, "version": version}


def trained_file(name: str, folder: Path | None) -> Path:
    """A file of a folder that training wrote, None = `fidgety/demo`. Raises BundleError where it is missing."""
    if folder is None:
        return demo_file(name)
    if not (folder / name).is_file():
        raise BundleError(f"{folder} holds no {name}: name the folder that training wrote")
    return folder / name


def _parity_pictures() -> list[UInt8Array]:
    """(H, W, 3) uint8 RGB frames spread over the sample recording."""
    with open_source(str(demo_file("sample.mp4"))) as source:
        frames = [frame for frame in source.frames() if frame.frame_index % 400 == 0]
    pictures: list[UInt8Array] = []
    for frame in frames[:_N_PICTURES]:
        side = max(frame.width_px, frame.height_px)
        view = Region(frame.width_px / 2, frame.height_px / 2, float(side), 0.0)
        square = crop_picture(frame, view.image_from_crop(side), side, low=0.0, is_replicated=False)[0]
        pictures.append(np.ascontiguousarray((square.transpose(1, 2, 0) * 255).round().astype(np.uint8)))
    return pictures
