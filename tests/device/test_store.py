"""What comes in stays, once, in its order, and is scored by one worker at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fidgety.device.holdings import About, Infant, Result
from fidgety.device.store import Store
from fidgety.errors import DeviceError, SourceError, UsageError

from .conftest import FakeClock, MakeRecording, a_result, claimed

DAY_S = 86400.0


def test_add_copies_the_file_and_keeps_no_name(store: Store, make_recording: MakeRecording) -> None:
    source = make_recording("baby-miller.mp4")
    added = store.add(source, About(Infant("A-17")))
    assert (added.id, added.is_new) == ("R000001", True)
    recording = store.recording("r1")
    assert (recording.state, recording.infant_id) == ("queued", "A-17")
    assert recording.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert [file.name for file in recording.videos] == ["R000001.mp4"]
    assert (store.folder / "recordings/R000001/R000001.mp4").read_bytes() == source.read_bytes()
    assert not any(
        b"miller" in path.read_bytes() for path in store.folder.rglob("*") if "mp4" not in path.name and path.is_file()
    )


def test_add_the_same_content_twice_gives_the_same_id(store: Store, make_recording: MakeRecording) -> None:
    source = make_recording()
    store.add(source)
    again = store.add(source.rename(source.with_name("other.mp4")))
    assert (again.id, again.is_new) == ("R000001", False)
    assert len(store.recordings()) == 1
    assert list((store.folder / "staged").iterdir()) == []


def test_add_again_queues_what_only_lay_there(store: Store, make_recording: MakeRecording) -> None:
    source = make_recording()
    store.add(source, is_queued=False)
    assert store.claim_next("scorer") is None
    store.add(source)
    assert store.recording("R000001").state == "queued"


def test_add_of_what_cannot_be_read(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for name, message in (("none.mp4", "cannot be read"), ("empty.mp4", "is empty"), (".", "cannot be read")):
        with pytest.raises(SourceError, match=message):
            store.add(tmp_path / name)
    assert store.recordings() == []
    assert list((store.folder / "staged").iterdir()) == []


@pytest.mark.parametrize("name", ["Anna Miller", "", "x" * 41, "a/b", "ü", "a\n"])
def test_infant_by_a_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="and no name"):
        Infant(name)


def test_add_what_is_told_of_an_infant_adds_up(store: Store, make_recording: MakeRecording) -> None:
    store.add(make_recording("1.mp4"), About(Infant("A", born="2026-09-01")))
    store.add(make_recording("2.mp4"), About(Infant("A", gestation="38+1")))
    assert store.infant("A") == Infant("A", born="2026-09-01", gestation="38+1")
    with pytest.raises(UsageError, match=r"born was 2026-09-01 so far, now it is 2026-09-02"):
        store.add(make_recording("3.mp4"), About(Infant("A", born="2026-09-02")))
    assert len(store.recordings()) == 2


def test_infant_characteristics_know_no_age_without_the_day() -> None:
    infant = Infant("A", born="2026-09-01", gestation="40", sex="female")
    assert infant.characteristics(None).corrected_age_weeks is None
    assert infant.characteristics("2026-11-10").corrected_age_weeks == 10.0


def test_infant_told_by_its_age_is_as_much_older_as_the_recording_is_later() -> None:
    infant = Infant("A", age_weeks=12.0, age_on="2026-11-10")
    assert infant.characteristics(None).corrected_age_weeks is None
    ages = [infant.characteristics(day).corrected_age_weeks for day in ("2026-11-03", "2026-11-10", "2026-11-27")]
    assert ages == pytest.approx([11.0, 12.0, 12.0 + 17 / 7])
    with pytest.raises(UsageError, match="makes no sense"):
        Infant("A", age_weeks=900.0)
    with pytest.raises(UsageError, match=r"contradicts the dates, which give 10\.0 weeks"):
        Infant("A", born="2026-09-01", gestation="40", age_weeks=12.0, age_on="2026-11-10")


def test_add_keeps_an_age_with_the_day_of_its_recording(store: Store, make_recording: MakeRecording) -> None:
    store.add(make_recording("1.mp4"), About(Infant("A", age_weeks=12.0), recorded_on="2026-12-01"))
    assert store.infant("A") == Infant("A", age_weeks=12.0, age_on="2026-12-01")
    store.add(make_recording("2.mp4"), About(Infant("A")))
    assert store.infant("A").age_weeks == 12.0
    store.add(make_recording("3.mp4"), About(Infant("A", age_weeks=16.0)))  # 30 days later, on the clock's own day
    assert store.infant("A") == Infant("A", age_weeks=16.0, age_on="2026-12-31")
    with pytest.raises(UsageError, match=r"it was 16.0 weeks old \(corrected\) on 2026-12-31, now it is 18"):
        store.add(make_recording("4.mp4"), About(Infant("A", age_weeks=18.0)))
    with pytest.raises(UsageError, match="contradicts the dates"):
        store.add(make_recording("5.mp4"), About(Infant("A", born="2026-11-01", gestation="40")))
    assert store.infant("A") == Infant("A", age_weeks=16.0, age_on="2026-12-31")
    assert len(store.recordings()) == 3


def test_add_an_age_of_a_day_that_nobody_knows_is_not_kept(
    store: Store, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording("1.mp4"))
    clock.wall_s -= 400 * DAY_S
    store.add(make_recording("2.mp4"), About(Infant("A", sex="male", age_weeks=12.0)))
    assert store.infant("A") == Infant("A", sex="male")


def test_begin_and_finish_a_recording_of_segments(store: Store) -> None:
    begun = store.begin(About(Infant("A"), session_id="visit-1"))
    assert store.recording(begun.id).state == "recording"
    for name in ("0002.mkv", "0001.mkv", "times.csv"):
        (begun.folder / name).write_bytes(name.encode())
    (begun.folder / "0003.mkv").touch()
    store.finish_recording(begun.id, About(duration_s=181.5, n_dropped_frames=2))
    recording = store.recording(begun.id)
    assert (recording.state, recording.duration_s, recording.n_dropped_frames) == ("queued", 181.5, 2)
    assert [file.name for file in recording.videos] == ["0001.mkv", "0002.mkv"]
    assert (recording.session_id, recording.is_cut_short) == ("visit-1", False)


def test_finish_recording_without_a_picture_is_refused(store: Store) -> None:
    begun = store.begin()
    with pytest.raises(UsageError, match="holds no recording"):
        store.finish_recording(begun.id)
    assert store.recording(begun.id).state == "recording"


def test_claim_next_goes_by_the_order_of_arrival_when_the_clock_jumps_back(
    store: Store, clock: FakeClock, make_recording: MakeRecording
) -> None:
    first = store.add(make_recording("1.mp4")).id
    clock.wall_s -= DAY_S
    second = store.add(make_recording("2.mp4")).id
    assert [store.recording(one).is_clock_trusted for one in (first, second)] == [True, False]
    assert store.recording(second).recorded_at < store.recording(first).recorded_at
    assert store.recording(second).recorded_on is None
    assert [claimed(store).recording.id for _ in range(2)] == [first, second]


def test_finish_keeps_the_result_its_files_and_the_state(
    store: Store, make_recording: MakeRecording, tmp_path: Path
) -> None:
    store.add(make_recording())
    poses = tmp_path / "x.poses"
    poses.write_bytes(b"poses")
    store.finish(claimed(store), a_result('{"fms": 1}', poses=poses))
    recording = store.recording("R000001")
    assert recording.state == "scored"
    assert {file.name: file.kind for file in recording.files} == {
        "about.json": "about",
        "R000001.mp4": "video",
        "R000001-1-result.json": "result",
        "R000001-1-poses.poses": "poses",
    }
    assert (store.folder / "recordings/R000001/R000001-1-result.json").read_text() == '{"fms": 1}'


def test_finish_again_keeps_the_earlier_result(store: Store, make_recording: MakeRecording) -> None:
    store.add(make_recording())
    store.finish(claimed(store), a_result('{"a": 1}'))
    store.enqueue("R000001")
    store.finish(claimed(store), a_result('{"a": 2}', "not-assessable"))
    names = [file.name for file in store.recording("R000001").files if file.kind == "result"]
    assert names == ["R000001-1-result.json", "R000001-2-result.json"]
    assert store.recording("R000001").state == "not-assessable"


def test_finish_after_the_lease_passed_is_refused(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    claim = claimed(store, "slow")
    clock.wait(1800)
    store.renew(claim)
    clock.wait(1900)
    clock.wall_s -= DAY_S  # the wall clock is not asked
    assert store.claim_next("quick") is None
    clock.wait(3600)
    with Store.open(folder, clock=clock) as other:
        again = claimed(other, "quick")
        with pytest.raises(DeviceError, match="no longer claimed by slow"):
            store.finish(claim, a_result())
        other.finish(again, a_result())
    assert len([file for file in store.recording("R000001").files if file.kind == "result"]) == 1


def test_a_claim_ends_with_its_process_or_the_system(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    other = Store.open(folder, clock=clock)
    claimed(other)
    assert store.claim_next("scorer") is None
    other.close()
    claimed(store)
    clock.restart()
    assert claimed(store).recording.id == "R000001"


def test_fail_waits_by_a_clock_that_nobody_sets(store: Store, clock: FakeClock, make_recording: MakeRecording) -> None:
    store.add(make_recording())
    store.fail(claimed(store), "too hot", retry_in_s=300.0)
    recording = store.recording("R000001")
    assert (recording.state, recording.reason, recording.n_tries) == ("failed", "too hot", 1)
    clock.wall_s += DAY_S
    assert store.claim_next("scorer") is None
    clock.wait(301)
    store.fail(claimed(store), "too hot", retry_in_s=None)
    clock.wait(DAY_S)
    assert store.claim_next("scorer") is None
    store.enqueue("R000001")
    assert claimed(store).recording.n_tries == 2


def test_set_aside_and_hand_back(store: Store, make_recording: MakeRecording) -> None:
    store.add(make_recording("1.mp4"))
    store.add(make_recording("2.mp4"))
    store.set_aside(claimed(store), "no frame can be read")
    store.hand_back(claimed(store))
    assert [one.state for one in store.recordings()] == ["set-aside", "queued"]
    assert [one.id for one in store.recordings("queued")] == ["R000002"]


def test_enqueue_of_what_is_under_way_is_refused(store: Store, make_recording: MakeRecording) -> None:
    store.add(make_recording())
    claimed(store)
    with pytest.raises(UsageError, match="is scoring: wait"):
        store.enqueue("R000001")
    with pytest.raises(UsageError, match="there is no recording R000009"):
        store.enqueue("R000009")


def test_finish_with_a_file_that_is_not_there_keeps_nothing(store: Store, make_recording: MakeRecording) -> None:
    store.add(make_recording())
    claim = claimed(store)
    with pytest.raises(DeviceError, match="cannot be kept"):
        store.finish(claim, Result("scored", b"{}", "b", "h", {}, {"poses": Path("none")}))
    assert store.recording("R000001").state == "scoring"
    assert list((store.folder / "staged").iterdir()) == []
    store.finish(claim, a_result())


def test_open_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store in"):
        Store.open(tmp_path / "none", is_made=False)
    assert not (tmp_path / "none").exists()
