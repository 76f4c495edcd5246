from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fidgety.device.arrivals import Arrivals
from fidgety.device.holdings import About
from fidgety.device.store import Store
from fidgety.device.told import ToldInfants
from fidgety.device.voice import Voice
from fidgety.device.watch_folder import Arrival, WatchFolder
from fidgety.errors import DeviceError, UsageError


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def heard() -> io.StringIO:
    return io.StringIO()


MakeArrivals = Callable[..., Arrivals]


@pytest.fixture
def make_arrivals(watched: Path, store: Store, now: list[float], heard: io.StringIO) -> MakeArrivals:
    """A new one, as after a start; it shares nothing but the disk with those before."""

    def make(
        about_for: Callable[[str], About | None] = lambda _: About(),
        opens: Callable[[Arrival], str | None] = lambda _: None,
    ) -> Arrivals:
        folder = WatchFolder(watched, store.folder, 10.0, lambda: now[0])
        return Arrivals(folder, about_for, opens, Voice(heard, {}), lambda: now[0])

    return make


def names(folder: WatchFolder) -> list[str]:
    return [one.name for one in folder.arrivals()]


def test_arrivals_waits_until_a_file_stands_still(watched: Path, store: Store, now: list[float]) -> None:
    folder = WatchFolder(watched, store.folder, 10.0, lambda: now[0])
    path = watched / "a.mp4"
    for n_bytes in (10, 20, 30):
        path.write_bytes(b"x" * n_bytes)
        now[0] += 9.0
        assert names(folder) == []
    now[0] += 9.9
    assert names(folder) == []
    now[0] += 0.1
    assert names(folder) == ["a.mp4"]


def test_arrivals_takes_a_marked_file_at_once(watched: Path, store: Store, now: list[float]) -> None:
    folder = WatchFolder(watched, store.folder, 10.0, lambda: now[0])
    (watched / "a.mp4").write_bytes(b"x")
    assert names(folder) == []
    (watched / "a.mp4.done").touch()
    assert names(folder) == ["a.mp4"]


@pytest.mark.parametrize("name", [".a.mp4", "a.mp4.part", ".hidden/a.mp4", "notes.txt"])
def test_arrivals_leaves_out_what_is_no_recording(watched: Path, store: Store, name: str) -> None:
    (watched / name).parent.mkdir(exist_ok=True)
    (watched / name).write_bytes(b"x")
    assert names(WatchFolder(watched, store.folder, 0.0)) == []


def test_take_in_adds_each_file_once_over_restarts(watched: Path, store: Store, make_arrivals: MakeArrivals) -> None:
    for name in ("ward/b.mp4", "a.mp4"):
        (watched / name).parent.mkdir(exist_ok=True)
        (watched / f"{name}.done").touch()
        (watched / name).write_bytes(name.encode())
    assert make_arrivals().take_in(store, lambda: None) == 2
    before = {path: path.read_bytes() for path in watched.rglob("*.mp4")}
    (store.folder / "watched.jsonl").open("ab").close()
    for _ in range(2):
        assert make_arrivals().take_in(store, lambda: None) == 0
    assert [one.state for one in store.recordings()] == ["queued", "queued"]
    assert {path: path.read_bytes() for path in watched.rglob("*.mp4")} == before


@pytest.mark.parametrize("name", [b"Anna Miller.mp4", "J\u00fcrgen.mp4".encode(), b"M\xfcller.mp4"])
def test_take_in_writes_no_name_down(watched: Path, store: Store, make_arrivals: MakeArrivals, name: bytes) -> None:
    """Names of infants stay out of a store that may be encrypted; the last is Latin-1, as old cards have them."""
    path = watched / os.fsdecode(name)
    path.write_bytes(b"a")
    path.with_name(f"{path.name}.done").touch()
    assert make_arrivals().take_in(store, lambda: None) == 1
    assert make_arrivals().take_in(store, lambda: None) == 0
    held = [file.read_bytes() for file in store.folder.rglob("*") if file.is_file()]
    stem = name.split(b".")[0].split(b" ")[0]
    assert not any(stem in content for content in held)
    assert not any(stem in os.fsencode(file) for file in store.folder.rglob("*"))


def test_take_in_after_a_kill_before_the_ledger_finds_it_by_content(
    watched: Path, store: Store, make_arrivals: MakeArrivals
) -> None:
    (watched / "a.mp4").write_bytes(b"a")
    (watched / "a.mp4.done").touch()
    make_arrivals().take_in(store, lambda: None)
    ledger = store.folder / "watched.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:25])  # torn
    arrivals = make_arrivals()
    assert arrivals.take_in(store, lambda: None) == 0
    assert arrivals.take_in(store, lambda: None) == 0
    assert len(store.recordings()) == 1
    assert len(ledger.read_bytes().splitlines()) == 2


def test_take_in_clock_a_day_back_changes_nothing(
    watched: Path, store: Store, make_arrivals: MakeArrivals, now: list[float]
) -> None:
    """A file from tomorrow: settling is measured on the monotonic clock."""
    (watched / "a.mp4").write_bytes(b"a")
    os.utime(watched / "a.mp4", (4e9, 4e9))
    arrivals = make_arrivals()
    assert arrivals.take_in(store, lambda: None) == 0
    now[0] += 10.0
    assert arrivals.take_in(store, lambda: None) == 1


def test_take_in_gives_half_a_file_time(
    watched: Path, store: Store, make_arrivals: MakeArrivals, now: list[float], heard: io.StringIO
) -> None:
    (watched / "Anna.mp4").write_bytes(b"half")
    arrivals = make_arrivals(opens=lambda _: "moov atom not found")
    for time_s in (0.0, 10.0, 300.0, 609.0):
        now[0] = time_s
        assert arrivals.take_in(store, lambda: None) == 0
    assert heard.getvalue().count("does not open") == 1
    now[0] = 610.0
    assert arrivals.take_in(store, lambda: None) == 1  # its fault is to stand in the store
    assert "Anna" not in heard.getvalue()


def test_take_in_waits_for_what_is_told_of_the_infant(
    watched: Path, store: Store, make_arrivals: MakeArrivals, tmp_path: Path, heard: io.StringIO
) -> None:
    table = tmp_path / "infants.csv"
    header = "recording,infant,born,recorded,gestation,sex,birth_weight\n"
    table.write_text(header + "other.mp4,A-1,2026-02-01,2026-05-10,40,,\n")
    (watched / "a.mp4").write_bytes(b"a")
    (watched / "a.mp4.done").touch()
    arrivals = make_arrivals(ToldInfants(table))
    assert arrivals.take_in(store, lambda: None) == 0
    assert "waits for its row" in heard.getvalue()
    table.write_text(header + "a.mp4,A-17,2026-02-30,2026-05-10,40,,\n")
    assert arrivals.take_in(store, lambda: None) == 0
    assert "infants.csv:2" in heard.getvalue()
    table.write_text(header + "a.mp4,A-17,2026-02-01,2026-05-10,40,female,3300\n")
    assert arrivals.take_in(store, lambda: None) == 1
    (recording,) = store.recordings()
    assert (recording.infant_id, recording.recorded_on) == ("A-17", "2026-05-10")
    assert store.infant("A-17").born == "2026-02-01"


def test_told_infants_takes_an_age_in_place_of_dates(
    watched: Path, store: Store, make_arrivals: MakeArrivals, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("recording,infant,recorded,age_weeks\na.mp4,A-1,2026-05-10,12.5\n")
    (watched / "a.mp4").write_bytes(b"a")
    (watched / "a.mp4.done").touch()
    assert make_arrivals(ToldInfants(tmp_path / "t.csv")).take_in(store, lambda: None) == 1
    infant = store.infant("A-1")
    assert infant.characteristics("2026-05-10").corrected_age_weeks == pytest.approx(12.5)
    assert infant.characteristics("2026-05-24").corrected_age_weeks == pytest.approx(14.5)


@pytest.mark.parametrize(
    ("header", "row", "fault"),
    [
        ("recording,born", "a.mp4,2026-02-01", "1:infant: this column is missing"),
        ("recording,infant,age_week", "a.mp4,A-1,12", "1:age_week: no such column"),
        ("recording,infant,age_weeks", "a.mp4,A-1,12", "2: age_weeks without recorded"),
        ("recording,infant,recorded,age_weeks", "a.mp4,A-1,2026-05-10,old", "2: age_weeks 'old' is no number"),
        ("recording,infant,birth_weight", "a.mp4,A-1,3.3 kg", "2: birth_weight '3.3 kg' is no number"),
        ("recording,infant,recorded,age_weeks", "a.mp4,A-1,2026-05-10,99999", "2: --age-weeks 99999 makes no sense"),
        (
            "recording,infant,born,recorded,gestation,age_weeks",
            "a.mp4,A-1,2026-02-01,2026-05-10,40,4",
            "2: --age-weeks 4 contradicts the dates, which give 14.0 weeks",
        ),
    ],
)
def test_told_infants_names_the_fault_of_table_or_row(tmp_path: Path, header: str, row: str, fault: str) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(UsageError, match=f"t.csv:{fault}"):
        ToldInfants(tmp_path / "t.csv")("a.mp4")


def test_take_in_folder_that_is_gone(watched: Path, store: Store, make_arrivals: MakeArrivals) -> None:
    arrivals = make_arrivals()
    watched.rmdir()
    with pytest.raises(DeviceError, match="is not there: mount it"):
        arrivals.take_in(store, lambda: None)
