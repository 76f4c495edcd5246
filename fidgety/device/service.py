"""The service: recordings that wait in the store, from the recorder or a watched folder, are scored one after another.

    watched folder --arrivals--> store (queued) --claim--> scorer --result--> store (scored | not-assessable)
                                                     |-- DeviceError: failed, tried again after growing pauses
                                                     |-- SourceError: set aside, a person has to look at it
                                                     |-- BundleError: waits for another bundle
                                                     '-- stop, kill:  waits at its old place again

Nothing is ever deleted. States, pauses and claims are the store's, so that they outlive the service and the power.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fidgety.bundle import Bundle
from fidgety.device.arrivals import Arrivals
from fidgety.device.bundle_keeper import BundleKeeper
from fidgety.device.cooling import Cooling
from fidgety.device.holdings import Claim, Recording, Result
from fidgety.device.scratch import Scratch, pictures_of
from fidgety.device.store import Store
from fidgety.device.voice import Voice
from fidgety.device.watchdog import Watchdog
from fidgety.durable import Heed
from fidgety.errors import BundleError, DeviceError, SourceError, Stopped, UsageError
from fidgety.records import Characteristics, Pose

__all__ = ["RETRY_PAUSES_S", "Order", "Plan", "Scorer", "Service", "Stop"]

RETRY_PAUSES_S = (30.0, 120.0, 480.0, 1800.0, 3600.0)  # after the first, second ... failure for an outside reason
_RENEW_S = 600.0
_STATUS_S = 5.0
_WORKER = "service"


@dataclass(frozen=True, slots=True)
class Order:
    """What a scorer is asked."""

    recording_id: str
    paths: tuple[Path, ...]  # the recording's pieces in their order
    characteristics: Characteristics
    folder: Path  # empty; for the result's files
    watch: Callable[[Pose], None]
    heed: Heed  # for what comes before the first pose: between two blocks of a long file


# Raises SourceError, DeviceError, BundleError and what `watch` and `heed` raise.
Scorer = Callable[[Order, Bundle], Result]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the service goes about it."""

    poll_s: float = 2.0
    is_once: bool = False  # end when nothing waits any more
    least_free_mb: float = 200.0  # below this nothing is scored: the recorder needs what is left


class Stop:
    """A wish to end that is heeded between two frames, never in the middle of a write. For signal handlers."""

    def __init__(self) -> None:
        self._is_wanted = threading.Event()

    def request(self, *_: object) -> None:
        """End soon."""
        self._is_wanted.set()

    def check(self) -> None:
        """Raises Stopped where somebody wants it."""
        if self._is_wanted.is_set():
            raise Stopped("stopped; the recording in work waits at its old place")

    def sleep(self, seconds: float) -> None:
        """Wait, or less where somebody wants it to end. Raises Stopped."""
        self._is_wanted.wait(seconds)
        self.check()


class Service:
    """Owns the loop. What it needs is handed in, so that each part can be had alone."""

    def __init__(
        self,
        store: Store,
        keeper: BundleKeeper,
        scorer: Scorer,
        voice: Voice,
        watchdog: Watchdog,
        cooling: Cooling,
        stop: Stop,
        arrivals: Arrivals | None = None,
        plan: Plan = Plan(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._scorer = scorer
        self._voice = voice
        self._watchdog = watchdog
        self._cooling = cooling
        self._stop = stop
        self._arrivals = arrivals
        self._plan = plan
        self._trouble: str | None = None  # what was last said to be in the way
        self._status_s = 0.0
        self._renewed_s = 0.0

    def run(self) -> None:
        """Until it is stopped, or with `is_once` until nothing waits.

        Raises Stopped; DeviceError at the start, and with `is_once` DeviceError or BundleError for what is in the way.
        """
        with ExitStack() as cleaning:
            scratch = cleaning.enter_context(Scratch(self._store.folder))
            cleaning.callback(self._watchdog.stopping)
            for line in self._store.recovery.lines():
                self._voice.note(f"after the last end: {line}")
            self._watchdog.ready()
            self._voice.info(f"at work in the store {self._store.folder}")
            while True:
                self._stop.check()
                self._watchdog.alive()
                has_worked = self._round(scratch)
                if self._plan.is_once and not has_worked:
                    self._require_clear()
                    return
                if not has_worked:
                    self._stop.sleep(self._plan.poll_s)

    def _round(self, scratch: Scratch) -> bool:
        """Take in what came, score what waits longest; whether there was anything. The disk's faults are waited out."""
        try:
            n_new = 0 if self._arrivals is None else self._arrivals.take_in(self._store, self._heed)
            claim, bundle = self._next_claim()
        except DeviceError as error:
            self._in_the_way(str(error))
            return False
        if claim is None or bundle is None:
            return n_new > 0
        self._trouble = None
        self._score(claim, bundle, scratch)
        return True

    def _next_claim(self) -> tuple[Claim | None, Bundle | None]:
        bundle = self._keeper.current()
        if bundle is None:
            self._watchdog.status(f"nothing is scored: {self._keeper.fault}")
            return None, None
        if self._cooling.pace() == "wait":
            self._wait_until_cool("")
        free_mb = shutil.disk_usage(self._store.folder).free / 1e6
        if free_mb < self._plan.least_free_mb:
            self._in_the_way(f"only {free_mb:.0f} MB are free: free some space; recordings wait")
            return None, None
        claim = self._store.claim_next(_WORKER)
        if claim is None and self._trouble is None:
            self._watchdog.status("waits for recordings")
        return claim, bundle

    def _score(self, claim: Claim, bundle: Bundle, scratch: Scratch) -> None:
        """One recording to its next state. Raises Stopped."""
        recording = claim.recording
        self._voice.info("is being scored", recording.id)
        self._watchdog.begin()
        self._renewed_s = time.monotonic()
        try:
            self._finish(claim, bundle, scratch)
        except Stopped:
            with suppress(DeviceError):  # then the next start takes it back
                self._store.hand_back(claim)
            self._voice.note("was in work at the stop; it waits at its old place", recording.id)
            raise
        except (SourceError, UsageError) as error:
            self._voice.error(f"is set aside, look at it: {error}", recording.id)
            reason = str(error)
            self._settle(claim, lambda: self._store.set_aside(claim, reason))
        except BundleError as error:
            self._keeper.refuse(str(error))
            self._settle(claim, lambda: self._store.hand_back(claim))
        except DeviceError as error:
            self._retry(claim, str(error))
        except Exception as error:  # a fault of this program: the next recording may still be scored
            self._retry(claim, f"fault of the program, report it: {type(error).__name__}: {error}")

    def _finish(self, claim: Claim, bundle: Bundle, scratch: Scratch) -> None:
        recording, heed = claim.recording, self._heeder(claim)
        with scratch.place() as place, ExitStack() as opened:
            pieces = tuple(
                self._named(opened.enter_context(self._store.opened(recording, one, heed)), place / "in", one.name)
                for one in pictures_of(recording)
            )
            (place / "out").mkdir()
            infant, watch = self._characteristics(recording), self._watcher(claim)
            order = Order(recording.id, pieces, infant, place / "out", watch, heed)
            result = self._scorer(order, bundle)
            self._watchdog.alive()
            self._store.finish(claim, result)
        self._voice.info("scored" if result.outcome == "scored" else "cannot be assessed", recording.id)

    @staticmethod
    def _named(path: Path, folder: Path, name: str) -> Path:
        """The file under the name that the store has for it, whatever it is called where it is open."""
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(path.absolute())
        return folder / name

    def _characteristics(self, recording: Recording) -> Characteristics:
        """Of its infant on its day. A clock that fell back does not turn that day into one that is yet to come."""
        if recording.infant_id is None:
            return Characteristics()
        now, doubt = self._store.shelf.books.look_at_clock()
        today = None if recording.recorded_on is None else date.fromisoformat(recording.recorded_on)
        if doubt is None:
            today = date.fromisoformat(now.text[:10])
        return self._store.infant(recording.infant_id).characteristics(recording.recorded_on, today)

    def _watcher(self, claim: Claim) -> Callable[[Pose], None]:
        """Called with every pose on its way: stop, heat, watchdog, lease and status."""

        def watch(pose: Pose) -> None:
            self._stop.check()
            self._watchdog.frame(pose.time_s)
            if self._cooling.pace() == "wait":
                self._wait_until_cool(claim.recording.id)
            if pause_s := self._cooling.pause_s():
                time.sleep(pause_s)
            now_s = time.monotonic()
            if now_s - self._status_s >= _STATUS_S:
                self._status_s = now_s
                slowly = ", slowly: the box is warm" if self._cooling.pace() == "half" else ""
                self._watchdog.status(f"{claim.recording.id} at {pose.time_s:.0f} s{slowly}")
            self._renew(claim, now_s)

        return watch

    def _heeder(self, claim: Claim) -> Heed:
        """Called between two blocks of a long file that is decrypted or hashed: stop, watchdog and lease."""

        def heed() -> None:
            self._heed()
            self._renew(claim, time.monotonic())

        return heed

    def _renew(self, claim: Claim, now_s: float) -> None:
        if now_s - self._renewed_s >= _RENEW_S:
            self._renewed_s = now_s
            self._store.renew(claim)

    def _wait_until_cool(self, recording_id: str) -> None:
        """Raises Stopped."""
        self._voice.warning(f"waits, the box is hot ({self._cooling.now_c:.0f} C): give it air", recording_id)
        while self._cooling.pace() == "wait":
            self._watchdog.alive()
            self._watchdog.status(f"waits, the box is hot ({self._cooling.now_c or 0.0:.0f} C)")
            self._stop.sleep(self._plan.poll_s)
        self._voice.note("goes on, the box is cool again", recording_id)

    def _retry(self, claim: Claim, reason: str) -> None:
        pause_s = RETRY_PAUSES_S[min(claim.recording.n_tries, len(RETRY_PAUSES_S) - 1)]
        self._voice.warning(f"failed, is tried again in {pause_s:.0f} s: {reason}", claim.recording.id)
        self._settle(claim, lambda: self._store.fail(claim, reason, pause_s))

    def _settle(self, claim: Claim, say: Callable[[], None]) -> None:
        """Tell the store what became of a claim, as soon as its disk takes it: nothing else could be done before.

        Raises Stopped; the claim then ends with this process.
        """
        while True:
            try:
                if self._store.recording(claim.recording.id).state == "scoring":  # else its lease had passed
                    say()
                self._trouble = None
                return
            except DeviceError as error:
                self._in_the_way(str(error))
                self._heed()
                self._stop.sleep(max(self._plan.poll_s, 1.0))

    def _require_clear(self) -> None:
        """Raises what keeps recordings waiting."""
        if self._keeper.fault is not None:
            raise BundleError(self._keeper.fault)
        if self._trouble is not None:
            raise DeviceError(self._trouble)

    def _heed(self) -> None:
        self._stop.check()
        self._watchdog.alive()

    def _in_the_way(self, trouble: str) -> None:
        self._watchdog.status(trouble)
        if trouble != self._trouble:
            self._trouble = trouble
            self._voice.error(trouble)
