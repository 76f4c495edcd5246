"""What the service asks for, scored as the command scores it: a recording of the store -> a result for the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fidgety.batch.one import Request, limited, score_one
from fidgety.bundle import Bundle
from fidgety.device.holdings import Kind, Result
from fidgety.device.service import Order, Scorer
from fidgety.runtime.devices import Device

__all__ = ["DeviceFor", "join_pieces", "scorer_for_store"]

DeviceFor = Callable[[Bundle], Device]

_KINDS: dict[str, Kind] = {".poses": "poses", ".html": "report"}


def scorer_for_store(n_threads: int, min_assessable_s: float | None, device_for: DeviceFor) -> Scorer:
    """A scorer that leaves result, report and poses. It raises SourceError, DeviceError, BundleError, Stopped.

    `device_for`: where the networks of a bundle run.
    """

    def score(order: Order, bundle: Bundle) -> Result:
        request = Request(
            limited(bundle, min_assessable_s),
            order.characteristics,
            order.folder,
            is_forced=True,
            n_threads=n_threads,
            min_assessable_s=min_assessable_s,
            device=device_for(bundle),
        )
        address = join_pieces(order.recording_id, order.paths)
        outputs = score_one(str(address), request, _watching(order), order.heed)
        by_suffix = {path.suffix: path for path in order.folder.iterdir()}
        return Result(
            outcome="scored" if outputs.assessment.is_assessable else "not-assessable",
            content=by_suffix[".json"].read_bytes(),
            bundle=bundle.label,
            bundle_sha256=bundle.sha256,
            engines=request.device.engines,
            files={kind: by_suffix[suffix] for suffix, kind in _KINDS.items() if suffix in by_suffix},
        )

    return score


def join_pieces(recording_id: str, paths: tuple[Path, ...]) -> Path:
    """One address for a recording that came in pieces: a list that the decoder reads one after another."""
    if len(paths) == 1:
        return paths[0]
    joined = paths[0].with_name(f"{recording_id}.ffconcat")
    lines = ["ffconcat version 1.0", *(f"file {path.name}" for path in paths)]
    joined.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return joined


def _watching(order: Order) -> Callable[[object], Callable[..., None]]:
    return lambda _: order.watch
