"""Recordings -> the machines of an existing Dask cluster -> the same results, byte for byte, written by the caller.

    caller: recordings by path -> scheduler -> worker: opens the recording and its own bundle, scores -> bytes -> caller

Workers read recordings by the path that the caller has (a shared folder). One is refused whose bundle, program or
packages are others than the caller's. Each worker is handed one recording at a time; what a killed one had in hand goes
to another. A recording whose workers keep dying is set aside by its name. Needs the extra `cluster`; a connection is
opened to the scheduler that was named, and only then.
"""

from __future__ import annotations

import queue
import secrets
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from distributed import Client, KilledWorker
from distributed.client import Future

from fidgety.batch.many import Outcome, Task
from fidgety.batch.one import Outputs, Request, limited, present_result, result_stem, score_one, versions
from fidgety.bundle import Bundle, default_bundle_path, open_bundle, sha256_of_file
from fidgety.bundle.signature import require_trusted
from fidgety.errors import BundleError, DeviceError, FidgetyError, SourceError, UsageError
from fidgety.records import Characteristics
from fidgety.report.files import write_content
from fidgety.report.table import read_json
from fidgety.runtime.address import shown_address
from fidgety.runtime.devices import Asked, Device, choose_device
from fidgety.runtime.engine_files import default_engine_folder
from fidgety.runtime.networks import accelerated_graphs

__all__ = ["Cluster", "score_for_caller", "who_answers"]

_CONNECT_S = 15.0
_LOOK_S = 5.0  # how often it is looked whether workers came or went
_SUFFIXES = (".poses", ".html", ".json")  # in the order in which they are written: the result last

Order = dict[str, Any]  # plain values, so that a worker of another version can still say that it is one
Parcel = dict[str, bytes]  # suffix -> content


class Cluster:
    """The engine of many machines. Use it with `with`; `say` is told what a technician should know."""

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        """Raises DeviceError where no scheduler answers at `address`."""
        self._address = address
        self._say = say
        self._ended: queue.Queue[Future[Parcel]] = queue.Queue()
        try:
            self._client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DeviceError(
                f"no Dask scheduler answers at {address} ({error}): start one with `dask scheduler` and workers with "
                "`dask worker`, or leave --cluster out"
            ) from error

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):  # whatever the scheduler's state, what was to be kept is kept
            self._client.close(timeout=_CONNECT_S)

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Outcomes as they come. Raises DeviceError or BundleError, also for a worker that is refused; UsageError."""
        waiting = deque(tasks)
        at_work: dict[Future[Parcel], Task] = {}
        is_checked = False
        while True:
            yield from self._fill(waiting, at_work)
            if not at_work:
                return
            if not is_checked:
                self._check_workers(next(iter(at_work.values())).request)
                is_checked = True
            with suppress(queue.Empty):
                future = self._ended.get(timeout=_LOOK_S)
                task = at_work.pop(future)
                yield self._outcome(task, future)
                future.release()

    def _fill(self, waiting: deque[Task], at_work: dict[Future[Parcel], Task]) -> Iterator[Outcome]:
        """Hand out recordings until each worker has one; gives those that have a result already."""
        while waiting and len(at_work) < self._n_workers(is_needed=not at_work):
            task = waiting.popleft()
            present = _present(task)
            if present is not None:
                yield Outcome(task, present, None)
                continue
            key = f"fidgety-{task.number}-{secrets.token_hex(6)}"
            future = self._client.submit(
                score_for_caller, _shared_path(task), _order(task.request), key=key, pure=False
            )
            at_work[future] = task
            future.add_done_callback(self._ended.put)

    def _n_workers(self, *, is_needed: bool) -> int:
        """How many processes work now. is_needed: waits for one; raises DeviceError where none ever comes."""
        until_s = time.monotonic() + 60.0
        is_said = False
        while not (n := len(self._client.scheduler_info(n_workers=-1)["workers"])) and is_needed:
            if time.monotonic() > until_s:
                raise DeviceError(f"the cluster at {self._address} has no workers: start some (`dask worker`)")
            if not is_said:
                self._say(f"the cluster at {self._address} has no workers now; waiting for one")
                is_said = True
            time.sleep(0.2)
        return n

    def _check_workers(self, request: Request) -> None:
        """Refuse a cluster in which any worker would score with something else. Raises BundleError, DeviceError."""
        order = _order(request)
        answers = self._client.run(who_answers, order, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, FidgetyError):
                raise type(answer)(f"worker {worker}: {answer}") from answer
            if isinstance(answer, BaseException) and not isinstance(answer, OSError):
                raise DeviceError(f"worker {worker} cannot run fidgety ({answer}): install the same version there")

    def _outcome(self, task: Task, future: Future[Parcel]) -> Outcome:
        try:
            return Outcome(task, _keep(task, future.result()), None)
        except SourceError as error:
            return Outcome(task, None, error)
        except KilledWorker as error:
            return Outcome(
                task,
                None,
                SourceError(
                    f"{task.recording.address} is set aside: its workers died {error.allowed_failures + 1} times "
                    "while they scored it; score it alone on one machine"
                ),
            )
        except FidgetyError:
            raise
        except Exception as error:
            raise DeviceError(f"{task.recording.address} could not be scored on the cluster: {error}") from error


def who_answers(order: Order) -> str:
    """The bundle's label of this worker. Raises BundleError or DeviceError where it is not what the caller has."""
    return _request(order, None).bundle.label


def score_for_caller(address: str, order: Order) -> Parcel:
    """Runs on a worker: the files that `score_one` leaves, as bytes. Raises FidgetyError."""
    with tempfile.TemporaryDirectory(prefix="fidgety-") as place:
        request = _request(order, Path(place))
        score_one(address, request, lambda _: None)
        return {path.suffix: path.read_bytes() for path in Path(place).iterdir() if path.suffix in _SUFFIXES}


def _shared_path(task: Task) -> str:
    address = task.recording.address
    if address.isdecimal() or "://" in address:
        raise UsageError(f"{shown_address(address)} is a camera: a cluster scores recordings; leave --cluster out")
    return str(Path(address).absolute())


def _order(request: Request) -> Order:
    return {
        "versions": versions(),
        "bundle_sha256": request.bundle.sha256,
        "bundle_path": str(request.bundle.path),
        "characteristics": asdict(request.characteristics),
        "device": [request.device.name, request.device.settings()],
        "settings": [request.fps, request.max_duration_s, request.n_threads, request.min_assessable_s],
    }


def _request(order: Order, folder: Path | None) -> Request:
    """The caller's request with this worker's own bundle. Raises BundleError, DeviceError."""
    ours = versions()
    if others := {
        name for name in ours.keys() | order["versions"].keys() if ours.get(name) != order["versions"].get(name)
    }:
        name = sorted(others)[0]
        raise DeviceError(
            f"{name} is {ours.get(name)} here, the caller has {order['versions'].get(name)}: results would not be the "
            "same; install the same versions everywhere"
        )
    path = Path(order["bundle_path"])
    bundle = open_bundle(path if path.is_dir() else default_bundle_path())
    require_trusted(bundle)
    if bundle.sha256 != order["bundle_sha256"]:
        raise BundleError(
            f"the bundle is {bundle.sha256[:12]} here, the caller has {order['bundle_sha256'][:12]}: install the same "
            "bundle everywhere"
        )
    fps, max_duration_s, n_threads, min_assessable_s = order["settings"]
    infant = Characteristics(**order["characteristics"])
    device = _same_device(order["device"][0], order["device"][1], bundle)
    bundle = limited(bundle, min_assessable_s)
    return Request(bundle, infant, folder, True, fps, max_duration_s, n_threads, min_assessable_s, device)


def _same_device(name: Asked, settings: dict[str, Any], bundle: Bundle) -> Device:
    """This worker's device of that name. Raises DeviceError where it has none, or other engines than the caller."""
    device = choose_device(name, accelerated_graphs(bundle), default_engine_folder())
    if device.settings() != settings:
        raise DeviceError(
            f"{name} is {device.settings()} here, the caller has {settings}: results would not be the same; "
            "use --device cpu"
        )
    return device


def _present(task: Task) -> Outputs | None:
    """The result that is there already. The recording is read for this only where some result bears its name."""
    path, folder = Path(task.recording.address), task.request.folder
    if folder is None or task.request.is_forced or not path.is_file():
        return None
    like = result_stem(folder, path, "0" * 8).name[:-8]
    if not any(one.name.startswith(like) and one.suffix == ".json" for one in folder.iterdir()):
        return None
    try:
        sha256 = sha256_of_file(path)
    except OSError:
        return None  # the worker will say so
    return present_result(result_stem(folder, path, sha256), sha256, task.request)


def _keep(task: Task, parcel: Parcel) -> Outputs:
    """Write what a worker sent, the result last. Raises DeviceError."""
    folder, path = task.request.folder, Path(task.recording.address)
    if folder is None or ".json" not in parcel:
        raise DeviceError(f"the result of {path} did not come back whole: score it again")
    with tempfile.TemporaryDirectory(prefix="fidgety-") as place:
        sent = Path(place) / "result.json"
        sent.write_bytes(parcel[".json"])
        assessment = read_json(sent)
    stem = result_stem(folder, path, assessment.recording_sha256)
    for suffix in _SUFFIXES:
        if suffix in parcel:
            write_content(stem.with_name(stem.name + suffix), parcel[suffix])
    return Outputs(assessment, stem.with_name(f"{stem.name}.html"), is_new=True)
