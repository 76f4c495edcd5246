"""Nothing is deleted unasked, nothing before poses and a result are safe, and no wrong clock deletes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.device import retention
from fidgety.device.books import Books
from fidgety.device.log_check import verify
from fidgety.device.retention import Rule, confirm, plan, purge, rule, set_rule
from fidgety.device.store import Store
from fidgety.errors import DeviceError, UsageError

from .conftest import FakeClock, MakeRecording, a_result, claimed

DAY_S = 86400.0


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    path = tmp_path / "x.poses"
    path.write_bytes(b"poses")
    return path


@pytest.fixture
def scored(store: Store, make_recording: MakeRecording, poses: Path) -> Store:
    """R000001 scored with poses, R000002 scored without, R000003 waiting."""
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        store.add(make_recording(name))
    store.finish(claimed(store), a_result(poses=poses))
    store.finish(claimed(store), a_result())
    return store


def due(store: Store) -> list[str]:
    return [one.recording.id for one in plan(store.shelf).due]


def video(store: Store, n: int = 1) -> Path:
    return store.folder / f"recordings/R{n:06d}/R{n:06d}.mp4"


def test_plan_by_default_nothing_is_ever_due(scored: Store, clock: FakeClock) -> None:
    clock.wait(3650 * DAY_S)
    assert rule(scored.shelf) == Rule(None)
    assert due(scored) == []


def test_plan_by_days_after_the_last_result(scored: Store, clock: FakeClock, poses: Path) -> None:
    set_rule(scored.shelf, Rule(30))
    clock.wait(29.9 * DAY_S)
    assert due(scored) == []
    clock.wait(0.2 * DAY_S)
    found = plan(scored.shelf)
    assert [(one.recording.id, one.reason, one.n_bytes) for one in found.due] == [
        ("R000001", "scored 30 days ago", 5000)
    ]
    assert found.waiting == (("R000002", "its poses are not kept"),)
    scored.enqueue("R000001")
    assert due(scored) == []
    scored.finish(claimed(scored), a_result(poses=poses))
    assert due(scored) == []
    clock.wait(31 * DAY_S)
    assert due(scored) == ["R000001"]


def test_purge_deletes_the_video_alone_and_says_so(scored: Store, folder: Path, clock: FakeClock) -> None:
    confirm(scored.shelf, "R000001", "S-1")
    purge(scored.shelf, plan(scored.shelf).due[0])
    assert not video(scored).exists()
    recording = scored.recording("R000001")
    assert [one.gone for one in recording.videos] == ["deleted"]
    assert recording.kept("poses") and recording.kept("result") and recording.state == "scored"
    assert video(scored, 2).exists() and video(scored, 3).exists()
    log = (folder / "audit.jsonl").read_text().splitlines()
    assert '"kind": "deletion-confirmed"' in log[-2] and '"staff": "S-1"' in log[-2]
    assert '"kind": "deleted"' in log[-1] and '"reason": "confirmed"' in log[-1]
    assert due(scored) == []
    with Store.open(folder, clock=clock) as again:
        assert again.recovery.is_quiet
    with pytest.raises(DeviceError, match="is deleted"), scored.opened(recording, recording.videos[0]):
        pass


def test_confirm_waits_for_a_result_and_poses(scored: Store) -> None:
    for n in (2, 3):
        confirm(scored.shelf, f"R{n}", "S-1")
    found = plan(scored.shelf)
    assert found.due == ()
    assert found.waiting == (("R000002", "its poses are not kept"), ("R000003", "it is queued"))
    with pytest.raises(UsageError, match="staff id 'Dr Who'"):
        confirm(scored.shelf, "R000001", "Dr Who")


@pytest.mark.parametrize("wrong_s", [-DAY_S, 400 * DAY_S])
def test_plan_with_a_wrong_clock_nothing_is_due_by_days(scored: Store, clock: FakeClock, wrong_s: float) -> None:
    set_rule(scored.shelf, Rule(30))
    clock.wait(60 * DAY_S)
    with scored.shelf.books.change() as change:
        change.note("probe")
    assert due(scored) == ["R000001"]
    clock.wall_s += wrong_s
    found = plan(scored.shelf)
    assert found.due == ()
    assert found.doubt is not None and ("leapt ahead" in found.doubt or "already" in found.doubt)


def test_plan_what_was_scored_under_a_wrong_clock_waits_for_a_confirmation(
    store: Store, clock: FakeClock, make_recording: MakeRecording, poses: Path
) -> None:
    set_rule(store.shelf, Rule(1))
    store.add(make_recording())
    clock.wall_s -= 300 * DAY_S
    store.finish(claimed(store), a_result(poses=poses))
    clock.wall_s += 310 * DAY_S
    clock.boot_s += 10 * DAY_S
    found = plan(store.shelf)
    assert found.doubt is None and found.due == ()
    assert "the clock was wrong when it was scored" in found.waiting[0][1]
    confirm(store.shelf, "R000001", "S-1")
    assert due(store) == ["R000001"]


@pytest.mark.parametrize("name", ["R000001-1-poses.poses", "R000001-1-result.json"])
def test_purge_reads_what_has_to_stay_first(scored: Store, name: str) -> None:
    confirm(scored.shelf, "R000001", "S-1")
    (one,) = plan(scored.shelf).due
    (scored.folder / "recordings/R000001" / name).write_bytes(b"damaged")
    with pytest.raises(DeviceError, match=rf"{name} is damaged: the video stays"):
        purge(scored.shelf, one)
    assert video(scored).exists()
    (scored.folder / "recordings/R000001" / name).unlink()
    with pytest.raises(DeviceError, match="cannot be deleted"):
        purge(scored.shelf, one)
    assert video(scored).exists()


def test_purge_of_what_changed_meanwhile(scored: Store, folder: Path, clock: FakeClock) -> None:
    set_rule(scored.shelf, Rule(1))
    clock.wait(2 * DAY_S)
    (one,) = plan(scored.shelf).due
    with Store.open(folder, clock=clock) as other:
        other.enqueue("R000001")
    with pytest.raises(DeviceError, match="changed meanwhile"):
        purge(scored.shelf, one)
    assert video(scored).exists()


def test_purge_when_the_clock_went_wrong_in_between(scored: Store, clock: FakeClock) -> None:
    set_rule(scored.shelf, Rule(1))
    clock.wait(2 * DAY_S)
    (one,) = plan(scored.shelf).due
    clock.wall_s -= 5 * DAY_S
    with pytest.raises(DeviceError, match="nothing is deleted by days"):
        purge(scored.shelf, one)
    assert video(scored).exists()


def test_purge_that_was_killed_is_ended_by_the_next_start(
    scored: Store, folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says deleted; the power went before the file did."""

    def die(_: object) -> None:
        raise KeyboardInterrupt

    confirm(scored.shelf, "R000001", "S-1")
    (one,) = plan(scored.shelf).due
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Books, "copy_log", die)
        purge(scored.shelf, one)
    scored.close()
    assert video(scored).exists()
    with Store.open(folder, clock=clock) as again:
        assert not video(again).exists()
        assert again.recovery.lost_and_found == () == again.recovery.missing
        assert verify(again.shelf.books).faults == ()


def test_set_rule_of_nothing(store: Store) -> None:
    with pytest.raises(UsageError, match="write 1 or more, or never"):
        set_rule(store.shelf, retention.Rule(0))
