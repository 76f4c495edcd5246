"""Time of the streaming lifter over chunk sizes, and how far streaming lies from one run over everything.

    python benchmarks/lifter_chunks.py

The bundle's lifter, one thread, random rows (time does not depend on them), median over rounds.
"""

import argparse
import statistics
import time

import numpy as np
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.runtime.stream_lifter import StreamLifter

N_ROWS = 3000


def lift(bundle: Bundle, chunk_rows: int, features: np.ndarray, in_plane: np.ndarray) -> np.ndarray:
    settings = bundle.manifest.lifter
    stream = StreamLifter(bundle.file(settings.graph), settings.channels, settings.dilations, chunk_rows)
    pieces = [stream.push(features[i : i + 25], in_plane[i : i + 25]) for i in range(0, len(features), 25)]
    return np.concatenate([*pieces, stream.finish()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (N_ROWS, 51)).astype(np.float32)
    in_plane = rng.normal(0, 1, (N_ROWS, 17, 2)).astype(np.float32)
    bundle = open_bundle(default_bundle_path())
    whole = lift(bundle, N_ROWS, features, in_plane)
    print(f"{describe_machine()}\n{bundle.label}")
    print(f"{'rows a chunk':>12} {'ms a row':>9} {'largest difference to one run':>31}")
    for chunk_rows in (1, 5, 25, 50, 100, 250):
        times = []
        for _ in range(given.rounds):
            start = time.perf_counter()
            lifted = lift(bundle, chunk_rows, features, in_plane)
            times.append((time.perf_counter() - start) / N_ROWS * 1e3)
        print(f"{chunk_rows:>12} {statistics.median(times):>9.3f} {np.abs(lifted - whole).max():>31.1e}")


if __name__ == "__main__":
    main()
