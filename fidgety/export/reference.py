"""What the float32 chain says of the gate's recordings, and how far a bundle with variants in place of graphs parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fidgety.bundle import Bundle
from fidgety.calibration.networks import Network, networks_of
from fidgety.calibration.recorded_inputs import Given, RecordedInputs, listen
from fidgety.export.candidates import Candidate
from fidgety.export.chain_parity import (
    ChainDifference,
    ChainRun,
    compare_runs,
    faults_of,
    run_chain,
    score_run,
    with_graph,
)

__all__ = ["Reference", "make_reference"]

_PICTURE_NETWORKS = ("detector", "landmarks")


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The float32 chain's run of each recording, and what its networks read there."""

    bundle: Bundle  # without variants
    recordings: tuple[Path, ...]
    inputs: tuple[RecordedInputs, ...]
    runs: tuple[ChainRun, ...]
    controls: tuple[ChainDifference, ...]  # how far each run parts from itself, nudged; none: no variant reads pictures

    def given(self, network: Network) -> list[Given]:
        """What this network reads in all recordings."""
        return [given for one in self.inputs for given in one.inputs[network.name]]

    def chain(self, variants: Sequence[Candidate], folder: Path) -> tuple[ChainDifference, ...]:
        """Whole recordings with these variants in place of their float32 graphs. `folder`: new, for the gate's bundle.

        Raises BundleError where no window can be scored with them.
        """
        bundle = with_graph(self.bundle, {one.network.file: one.judged for one in variants}, folder)
        reads_pictures = any(one.network.name in _PICTURE_NETWORKS for one in variants)
        pairs = zip(self.recordings, self.runs, strict=True)
        return tuple(
            compare_runs(run, run_chain(path, bundle) if reads_pictures else score_run(path.name, run.poses, bundle))
            for path, run in pairs
        )

    def faults(self, chain: Sequence[ChainDifference]) -> list[str]:
        """What of it lies beyond the limits (`chain_parity.faults_of`)."""
        return faults_of(chain, self.controls)


def make_reference(
    bundle: Bundle, recordings: tuple[Path, ...], n_frames: int, place: Path, log: Callable[[str], None]
) -> Reference:
    """Run the float32 chain. `n_frames`: of each recording, whose inputs are kept; `place`: for the gate's bundle.

    Raises SourceError for a recording that cannot be read, BundleError for one in which no window can be scored.
    """
    plain = with_graph(bundle, {}, place / "fp32")  # whatever variants it holds, the reference has none
    log(f"reference: {len(recordings)} recordings through the float32 graphs")
    inputs = tuple(listen(path, plain, n_frames) for path in recordings)
    runs = tuple(score_run(path.name, one.poses, plain) for path, one in zip(recordings, inputs, strict=True))
    controls: tuple[ChainDifference, ...] = ()
    if any(network.name in _PICTURE_NETWORKS for network in networks_of(plain.manifest)):
        pairs = zip(recordings, runs, strict=True)
        controls = tuple(compare_runs(run, run_chain(path, plain, is_nudged=True)) for path, run in pairs)
    return Reference(plain, recordings, inputs, runs, controls)
