"""A bundle whose chain does none of what keeps movement true: what FIDELITY.md's plot calls *before*.

    python benchmarks/plain_chain.py FOLDER [--bundle BUNDLE]
    fidgety phantom fidelity BEFORE --bundle FOLDER
    fidgety phantom fidelity AFTER --before BEFORE/fidelity.csv

Every frame is read from one side, limbs move as the pose network reads them, and the low pass is the mean of five rows.
Pose network, lifter and MAM are the bundle's.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from fidgety.bundle import default_bundle_path, open_bundle, write_bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    given = parser.parse_args()
    bundle = open_bundle(given.bundle)
    manifest = replace(
        bundle.manifest,
        name=f"{bundle.manifest.name}-plain",
        pose=replace(bundle.manifest.pose, reads_both_sides=False, follows_picture=False),
        track=replace(bundle.manifest.track, smoothing_weights=(0.2,) * 5),
    )
    files = {name: bundle.file(name) for name in bundle.manifest.files}
    print(f"{write_bundle(given.folder, manifest, files).label} written to {given.folder}")


if __name__ == "__main__":
    main()
