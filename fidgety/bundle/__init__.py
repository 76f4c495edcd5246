"""The model bundle: graphs plus one manifest that holds everything a result depends on, and a signature.

manifest.py     what a manifest says, read strictly
folder.py       a bundle on disk: every byte is checked when it is opened
signature.py    Ed25519 keys, who signed a manifest, whom this device trusts
store.py        where bundles are kept: the one in use, the one before, and the switch between them
one_file.py     a bundle as one file, for a USB stick
install.py      a signed bundle from elsewhere -> the one in use
derived.py      the manifest of a bundle made from another one
difference.py   what two bundles differ in

A bundle is a folder with `manifest.json`, the files that it names and, where it was signed, `signature.json`. Frame
rate, window, strides, skeleton, thresholds, calibration and provenance live in the manifest and nowhere else.
"""

from fidgety.bundle.folder import Bundle, default_bundle_path, open_bundle, sha256_of_file, write_bundle
from fidgety.bundle.manifest import (
    CharacteristicScale,
    GraphVariant,
    KeypointNetwork,
    LabelScheme,
    LifterSettings,
    MamSettings,
    Manifest,
    OperatingPoint,
    PoseSettings,
    ProbabilityCalibration,
    Provenance,
    QualityLimits,
    Share,
    SiteFigures,
    TrackSettings,
)

__all__ = [
    "Bundle",
    "CharacteristicScale",
    "GraphVariant",
    "KeypointNetwork",
    "LabelScheme",
    "LifterSettings",
    "MamSettings",
    "Manifest",
    "OperatingPoint",
    "PoseSettings",
    "ProbabilityCalibration",
    "Provenance",
    "QualityLimits",
    "Share",
    "SiteFigures",
    "TrackSettings",
    "default_bundle_path",
    "open_bundle",
    "sha256_of_file",
    "write_bundle",
]
