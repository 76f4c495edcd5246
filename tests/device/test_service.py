"""The loop on a real store, with a scorer that does what a test wants. The real scorer runs in tests/end_to_end."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fidgety.bundle import Bundle, Manifest, sha256_of_file
from fidgety.device import service as service_module
from fidgety.device.arrivals import Arrivals
from fidgety.device.bundle_keeper import BundleKeeper
from fidgety.device.cooling import Cooling
from fidgety.device.holdings import About, Infant, Result
from fidgety.device.log_check import verify
from fidgety.device.sealing import turn_on
from fidgety.device.service import RETRY_PAUSES_S, Order, Plan, Service, Stop
from fidgety.device.store import Store
from fidgety.device.vault import make_key_file
from fidgety.device.voice import Voice
from fidgety.device.watch_folder import WatchFolder
from fidgety.device.watchdog import Watchdog
from fidgety.errors import BundleError, DeviceError, SourceError, Stopped
from fidgety.records import Pose

from .conftest import FakeClock, MakeRecording

Score = Callable[[Order, Bundle], Result]
MakeService = Callable[..., Service]


@pytest.fixture
def heard() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def a_bundle(manifest: Manifest, tmp_path: Path) -> Bundle:
    return Bundle(tmp_path, manifest, "a" * 64)


@pytest.fixture
def make_service(store: Store, heard: io.StringIO, stop: Stop, a_bundle: Bundle, tmp_path: Path) -> MakeService:
    def make(
        score: Score,
        load: Callable[[], Bundle] = lambda: a_bundle,
        self_test: Callable[[Bundle], str | None] = lambda _: None,
        read_c: Callable[[], float | None] = lambda: None,
        arrivals: Arrivals | None = None,
        **plan: float,
    ) -> Service:
        voice = Voice(heard, {})
        keeper = BundleKeeper(tmp_path, load, self_test, voice)
        options = Plan(**{"poll_s": 0.0, "is_once": True, "least_free_mb": 0.0, **plan})  # type: ignore[arg-type]
        ticks = iter(range(0, 10**9, 5))
        cooling = Cooling(read_c, clock_s=lambda: float(next(ticks)))
        return Service(store, keeper, score, voice, Watchdog({}), cooling, stop, arrivals, options)

    return make


def a_score(order: Order, bundle: Bundle) -> Result:
    assert [path.is_file() for path in order.paths] == [True]
    (order.folder / "r.html").write_text("<p>")
    return Result("scored", b"{}", bundle.label, bundle.sha256, files={"report": order.folder / "r.html"})


def failing(error: BaseException) -> Score:
    def score(*_: object) -> Result:
        raise error

    return score


def states(store: Store) -> list[str]:
    return [one.state for one in store.recordings()]


def test_run_scores_what_waits_in_its_order(
    store: Store, make_recording: MakeRecording, make_service: MakeService, heard: io.StringIO
) -> None:
    for name in ("Anna.mp4", "Ben.poses"):
        store.add(make_recording(name), About(Infant("A-17")))
    seen = []

    def score(order: Order, bundle: Bundle) -> Result:
        seen.append((order.recording_id, order.paths[0].name))
        return a_score(order, bundle)

    make_service(score).run()
    assert seen == [("R000001", "R000001.mp4"), ("R000002", "R000002.poses")]
    assert states(store) == ["scored", "scored"]
    assert not list((store.folder / "service").glob("at-work*"))
    assert "Anna" not in heard.getvalue() and "A-17" not in heard.getvalue()


def test_run_sets_aside_what_is_damaged_and_goes_on(
    store: Store, make_recording: MakeRecording, make_service: MakeService
) -> None:
    for name in ("1.mp4", "2.mp4"):
        store.add(make_recording(name))

    def score(order: Order, bundle: Bundle) -> Result:
        if order.recording_id == "R000001":
            raise SourceError("it is no readable video")
        return a_score(order, bundle)

    make_service(score).run()
    assert states(store) == ["set-aside", "scored"]
    assert store.recording("R000001").reason == "it is no readable video"
    assert (store.folder / "recordings/R000001/R000001.mp4").is_file()


def test_run_tries_again_after_growing_pauses_that_outlive_it(
    store: Store, clock: FakeClock, make_recording: MakeRecording, make_service: MakeService
) -> None:
    store.add(make_recording())
    for n_tries, pause_s in enumerate(RETRY_PAUSES_S[:4]):
        make_service(failing(DeviceError("the disk is full"))).run()
        assert (states(store), store.recording("R000001").n_tries) == (["failed"], n_tries + 1)
        clock.wait(pause_s - 1.0)
        make_service(a_score).run()  # another process; too early
        assert states(store) == ["failed"]
        clock.wait(1.0)
    make_service(a_score).run()
    assert states(store) == ["scored"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("cannot"), KeyError("x")])
def test_run_survives_what_it_does_not_know(
    store: Store, make_recording: MakeRecording, make_service: MakeService, error: Exception, heard: io.StringIO
) -> None:
    store.add(make_recording())
    make_service(failing(error)).run()
    assert states(store) == ["failed"]
    assert "report it" in heard.getvalue()


def test_run_result_that_the_disk_does_not_take_is_made_again(
    store: Store,
    clock: FakeClock,
    make_recording: MakeRecording,
    make_service: MakeService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk is full for the result and for the next two words of what became of it."""
    store.add(make_recording())
    n_left = 3
    real_finish, real_fail = store.finish, store.fail

    def full(*_: object) -> None:
        nonlocal n_left
        n_left -= 1
        if n_left >= 0:
            raise DeviceError("the database let us down: the disk is full; free some space")

    monkeypatch.setattr(store, "finish", lambda *given: full() or real_finish(*given))
    monkeypatch.setattr(store, "fail", lambda *given: full() or real_fail(*given))
    monkeypatch.setattr(Stop, "sleep", lambda self, _: self.check())
    make_service(a_score).run()
    assert states(store) == ["failed"]
    clock.wait(RETRY_PAUSES_S[0])
    make_service(a_score).run()
    assert states(store) == ["scored"]


def test_run_stopped_between_two_frames_puts_the_recording_back(
    store: Store, make_recording: MakeRecording, make_service: MakeService, stop: Stop, make_pose: Callable[..., Pose]
) -> None:
    store.add(make_recording())

    def score(order: Order, _: Bundle) -> Result:
        order.watch(make_pose(0.0, None))
        stop.request()
        order.watch(make_pose(0.04, None))
        raise AssertionError("it went on")

    with pytest.raises(Stopped):
        make_service(score).run()
    assert states(store) == ["queued"]
    assert "handed-back" in (store.folder / "audit.jsonl").read_text()
    assert verify(store.shelf.books).faults == ()


@pytest.mark.parametrize("where", ["taken in", "decrypted", "hashed"])
def test_run_long_file_feeds_the_watchdog_and_heeds_a_stop(
    store: Store,
    make_recording: MakeRecording,
    make_service: MakeService,
    stop: Stop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """Stopped in the middle of a file of eight blocks: it was fed until then, and what is left is as before."""
    long = make_recording("visit.mp4", 8 << 20)
    watched, arrivals = tmp_path / "in", None
    watched.mkdir()
    if where == "taken in":
        (watched / "visit.mp4.done").touch()
        long.rename(watched / "visit.mp4")
        folder = WatchFolder(watched, store.folder, 0.0)
        arrivals = Arrivals(folder, lambda _: About(), lambda _: None, Voice(io.StringIO(), {}), lambda: 0.0)
    else:
        store.add(long)
    if where == "decrypted":
        list(turn_on(store.shelf, make_key_file(tmp_path / "key")))
    n_fed, stops_at, n_read = 0, 6, 0

    def alive(_: Watchdog) -> None:
        nonlocal n_fed
        n_fed += 1
        if n_fed == stops_at:
            stop.request()

    def score(order: Order, bundle: Bundle) -> Result:
        nonlocal n_read
        if where == "hashed":
            sha256_of_file(order.paths[0], order.heed)
        n_read += 1
        return a_score(order, bundle)

    monkeypatch.setattr(Watchdog, "alive", alive)
    with pytest.raises(Stopped):
        make_service(score, arrivals=arrivals).run()
    assert (n_fed, n_read) == (stops_at, 0)
    assert states(store) == ([] if where == "taken in" else ["queued"])
    assert [one.name for name in ("staged", "opened") for one in (store.folder / name).iterdir()] == []
    n_fed, stops_at, stop._is_wanted = 0, 0, threading.Event()
    make_service(score, arrivals=arrivals).run()
    assert n_fed >= 8 and states(store) == ["scored"]


def test_run_long_file_keeps_its_claim(
    store: Store,
    make_recording: MakeRecording,
    make_service: MakeService,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hashing from a slow disk takes longer than the lease of an hour."""
    store.add(make_recording())
    monkeypatch.setattr(service_module.time, "monotonic", lambda: clock.boot_s)

    def score(order: Order, bundle: Bundle) -> Result:
        for _ in range(8):
            clock.wait(700.0)
            order.heed()
        with Store.open(store.folder, clock=clock) as other:
            assert states(other) == ["scoring"]
        return a_score(order, bundle)

    make_service(score).run()
    assert states(store) == ["scored"]


def test_run_refuses_a_damaged_bundle_and_stays_up_until_it_is_mended(
    store: Store, make_recording: MakeRecording, make_service: MakeService, a_bundle: Bundle, heard: io.StringIO,
    tmp_path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    store.add(make_recording())
    n_looks = 0

    def load() -> Bundle:
        if not (tmp_path / "manifest.json").exists():
            raise BundleError("mam_window.onnx is not the file that the manifest names")
        return a_bundle

    def sleep(self: Stop, _: float) -> None:
        nonlocal n_looks
        n_looks += 1
        assert states(store) == (["queued"] if n_looks < 4 else ["scored"])
        if n_looks == 3:
            (tmp_path / "manifest.json").write_text("{}")
        if n_looks == 4:
            stop.request()
        self.check()

    monkeypatch.setattr(Stop, "sleep", sleep)
    with pytest.raises(Stopped):
        make_service(a_score, load, is_once=False).run()
    assert heard.getvalue().count("nothing is scored until this is mended") == 1
    assert n_looks == 4


def test_run_refuses_a_bundle_that_fails_the_self_test(
    store: Store, make_recording: MakeRecording, make_service: MakeService, heard: io.StringIO
) -> None:
    store.add(make_recording())
    with pytest.raises(BundleError, match="the self-test failed"):
        make_service(a_score, self_test=lambda _: "FMs frequency .2 for .6").run()
    assert states(store) == ["queued"]
    assert "the self-test failed" in heard.getvalue()


def test_run_bundle_found_wanting_in_use_costs_the_recording_nothing(
    store: Store, make_recording: MakeRecording, make_service: MakeService
) -> None:
    store.add(make_recording())
    with pytest.raises(BundleError, match="does not load"):
        make_service(failing(BundleError("lifter.onnx does not load"))).run()
    assert states(store) == ["queued"]
    assert store.recording("R000001").n_tries == 0


def test_run_waits_while_the_box_is_hot(
    store: Store,
    make_recording: MakeRecording,
    make_service: MakeService,
    heard: io.StringIO,
    make_pose: Callable[..., Pose],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hot in the middle of a recording: it waits there, says so, and goes on with the next frame."""
    store.add(make_recording())
    heat_c, n_waits = [60.0], 0

    def cool_down(self: Stop, _: float) -> None:
        nonlocal n_waits
        n_waits += 1
        heat_c[0] -= 6.0
        self.check()

    def score(order: Order, bundle: Bundle) -> Result:
        order.watch(make_pose(0.0, None))
        heat_c[0] = 95.0
        order.watch(make_pose(0.04, None))
        assert heat_c[0] < 78.0
        return a_score(order, bundle)

    monkeypatch.setattr(Stop, "sleep", cool_down)
    make_service(score, read_c=lambda: heat_c[0]).run()
    assert states(store) == ["scored"]
    assert n_waits == 3
    assert "R000001: waits, the box is hot (95 C)" in heard.getvalue()
    assert "R000001: goes on" in heard.getvalue()


def test_run_leaves_the_last_of_the_disk_to_the_recorder(
    store: Store, make_recording: MakeRecording, make_service: MakeService, heard: io.StringIO
) -> None:
    store.add(make_recording())
    with pytest.raises(DeviceError, match="MB are free"):
        make_service(a_score, least_free_mb=1e12).run()
    assert states(store) == ["queued"]
    assert heard.getvalue().count("MB are free") == 1


def test_run_without_file_handles_goes_on_when_there_are_some(
    store: Store, make_recording: MakeRecording, make_service: MakeService, clock: FakeClock
) -> None:
    store.add(make_recording())
    error = SourceError("cannot be read")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    from fidgety.batch.faults import blaming_the_device

    def score(_: Order, __: Bundle) -> Result:
        with blaming_the_device():
            raise error

    make_service(score).run()
    assert states(store) == ["failed"]
    clock.wait(RETRY_PAUSES_S[0])
    make_service(a_score).run()
    assert states(store) == ["scored"]


def test_run_clock_a_day_back_keeps_the_age(
    store: Store, clock: FakeClock, make_recording: MakeRecording, make_service: MakeService
) -> None:
    """Recorded on the 31st, scored when the clock says the 30th: still 13 weeks old, not 'yet to come'."""
    infant = Infant("A-17", born="2026-10-01", gestation="40")
    store.add(make_recording(), About(infant, recorded_on="2026-12-31"))
    clock.wall_s -= 86400.0
    ages = []

    def score(order: Order, bundle: Bundle) -> Result:
        ages.append(order.characteristics.corrected_age_weeks)
        return a_score(order, bundle)

    make_service(score).run()
    assert ages == [13.0]


def test_run_an_age_told_at_the_bedside_reaches_the_score(
    store: Store, make_recording: MakeRecording, make_service: MakeService
) -> None:
    """Told in weeks of the first recording, and reckoned on for the second, 14 days later."""
    store.add(make_recording("1.mp4"), About(Infant("A-17", age_weeks=12.0), recorded_on="2026-12-17"))
    store.add(make_recording("2.mp4"), About(Infant("A-17")))
    ages = []

    def score(order: Order, bundle: Bundle) -> Result:
        ages.append(order.characteristics.corrected_age_weeks)
        return a_score(order, bundle)

    make_service(score).run()
    assert ages == [12.0, 14.0]


def test_second_service_on_one_store_is_refused(store: Store, make_service: MakeService) -> None:
    from fidgety.device.scratch import Scratch

    with Scratch(store.folder), pytest.raises(DeviceError, match="another `fidgety serve` is at work"):
        make_service(a_score).run()
