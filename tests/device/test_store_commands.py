"""`fidgety store` and `fidgety log` as somebody types them: what they print and the code that they end with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fidgety.device.store import Store

from ..conftest import Run
from .conftest import MakeRecording, a_result, claimed


@pytest.fixture
def run(typed: Run, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> Run:
    """`run("store", "list")`: the command in this process, on a store of its own."""
    monkeypatch.setenv("FIDGETY_STORE", str(folder))
    monkeypatch.setenv("FIDGETY_KEYS", str(tmp_path / "keys"))
    for name in ("FIDGETY_KEY_FILE", "FIDGETY_KEY_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    return typed


def score_all(folder: Path, poses: Path) -> None:
    poses.write_bytes(b"poses")
    with Store.open(folder) as store:
        while store.recordings("queued"):
            store.finish(claimed(store), a_result(poses=poses))


def test_a_day_with_a_store(run: Run, make_recording: MakeRecording, folder: Path, tmp_path: Path) -> None:
    first, second = make_recording("1.mp4"), make_recording("2.mp4")
    added = run("store", "add", first, second, "--infant", "A-17", "--born", "2026-08-01", "--gestation", "39+2")
    assert (added.code, added.out) == (0, f"R000001  {first}\nR000002  {second}\n")
    assert "(was there already)" in run("store", "add", first).out
    score_all(folder, tmp_path / "x.poses")
    assert "kept beside" not in run("store", "list").out
    said = run("store", "override", "R1", "--staff", "S-1", "--finding", "FMs present", "--reason", "seen twice")
    assert said.out == "override 1 of R000001 by S-1 is kept; the result stays beside it\n"
    shown = run("store", "show", "R000001").out
    assert "override 1" in shown and "S-1: FMs present (seen twice)" in shown and "scored  by demo 1.0 (abc)" in shown
    assert "Recordings  2: 2 scored" in run("store", "show").out
    listed = [json.loads(line) for line in run("store", "list", "--json").out.splitlines()]
    assert [(one["id"], one["state"]) for one in listed] == [("R000001", "scored"), ("R000002", "scored")]
    assert run("store", "queue", "R2").out == "R000002 waits for its score\n"
    assert run("store", "list", "--state", "queued").out.startswith("R000002")
    assert run("store", "check").out == "9 files and the log, each as it was kept\n"
    assert "FMs present" not in (folder / "audit.jsonl").read_text()


def test_purge_shows_before_it_does(run: Run, make_recording: MakeRecording, folder: Path, tmp_path: Path) -> None:
    run("store", "add", make_recording("1.mp4"))
    score_all(folder, tmp_path / "x.poses")
    assert run("store", "purge").err == "nothing is due\n"
    assert run("store", "confirm", "R1", "--staff", "S-1").code == 0
    shown = run("store", "purge")
    assert "R000001" in shown.out and "confirmed" in shown.out and "nothing was deleted: --yes does it" in shown.err
    assert (folder / "recordings/R000001/R000001.mp4").exists()
    assert run("store", "purge", "--yes").out.endswith("deleted\n")
    assert not (folder / "recordings/R000001/R000001.mp4").exists()
    assert "video deleted" in run("store", "list").out
    assert run("store", "rule").out == "videos are kept until staff confirm\n"
    assert run("store", "rule", "--video-days", "30").out == "videos are kept 30 days after the last result\n"
    assert run("store", "rule", "--video-days", "soon").code == 2
    assert run("store", "rule", "--video-days", "never").out == "videos are kept until staff confirm\n"


def test_log_show_and_verify(run: Run, make_recording: MakeRecording, folder: Path) -> None:
    for name in ("1.mp4", "2.mp4"):
        run("store", "add", make_recording(name))
    whole = run("log", "verify")
    assert whole.code == 0 and whole.out.startswith("2 lines, each as it was written; the last is 2:")
    head = whole.out.split()[-1]
    assert [line.split()[2] for line in run("log", "show").out.splitlines()] == ["added", "added"]
    assert len(run("log", "show", "--recording", "R2", "--json").out.splitlines()) == 1
    assert run("log", "show", "--recording", "R9").err == "no such events\n"
    log = folder / "audit.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    found = run("log", "verify", "--head", head)
    assert (found.code, found.out) == (4, "event 1 was removed\n")
    assert "is not as it was written" in found.err
    assert run("store", "check").code == 4


def test_encrypt_and_what_the_key_opens(
    run: Run, make_recording: MakeRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("store", "add", make_recording("1.mp4"), "--infant", "A")
    assert run("store", "encrypt").code == 2
    assert "keep a copy elsewhere" in run("store", "key", tmp_path / "key").out
    assert run("store", "encrypt", "--key-file", tmp_path / "key").out.startswith("2 files encrypted")
    refused = run("store", "add", make_recording("2.mp4"))
    assert refused.code == 4 and "is encrypted: name the file of the key" in refused.err
    monkeypatch.setenv("FIDGETY_KEY_FILE", str(tmp_path / "key"))
    assert "this store is not encrypted" in run("store", "add", tmp_path / "1.mp4", "--store", tmp_path / "plain").err
    assert run("store", "add", make_recording("2.mp4")).code == 0
    assert "0 files still plain" in run("store", "show").out
    run("store", "key", tmp_path / "other")
    wrong = run("store", "list", "--key-file", tmp_path / "other")
    assert wrong.code == 4 and "the key given is" in wrong.err
    assert run("store", "check").code == 0


def test_export_open_backup_restore_rebuild(
    run: Run, make_recording: MakeRecording, folder: Path, tmp_path: Path
) -> None:
    run("store", "add", make_recording("1.mp4"), "--session", "v-1")
    run("store", "add", make_recording("2.mp4"), "--session", "v-2")
    stick = tmp_path / "stick"
    stick.mkdir()
    assert "give" in run("store", "receiver-key", tmp_path / "clinic").out
    sent = run("store", "export", stick, "--to", tmp_path / "clinic.pub", "--session", "v-2")
    assert sent.code == 0 and "3 files of 1 recordings written to" in sent.out
    (package,) = stick.iterdir()
    untrusted = run("store", "open", package, tmp_path / "out", "--key", tmp_path / "clinic")
    assert untrusted.code == 4 and "no sender is trusted" in untrusted.err
    (tmp_path / "keys/senders").mkdir(parents=True)
    shutil.copy(folder / "keys/device.pub", tmp_path / "keys/senders")
    opened = run("store", "open", package, tmp_path / "out", "--key", tmp_path / "clinic")
    assert opened.code == 0 and (tmp_path / "out/R000002/R000002.mp4").is_file()

    assert "4 files in" in run("store", "backup", tmp_path / "disk").out
    assert "0 of them new" in run("store", "backup", tmp_path / "disk").out
    assert "4 files brought back" in run("store", "restore", tmp_path / "disk", tmp_path / "new").out
    assert "R000002" in run("store", "list", "--store", tmp_path / "new").out
    (folder / "store.db").write_bytes(b"garbage" * 999)
    damaged = run("store", "list")
    assert damaged.code == 4 and "fidgety store restore" in damaged.err
    rebuilt = run("store", "rebuild")
    assert rebuilt.out == f"2 recordings in {folder}\n" and "`fidgety store queue all` asks for it" in rebuilt.err
    assert run("store", "queue", "all").out.count("waits for its score") == 2


def test_wrong_use_is_said(run: Run, make_recording: MakeRecording, tmp_path: Path) -> None:
    source = make_recording("1.mp4")
    for arguments, message in (
        (("store", "list"), "there is no store in"),
        (("store", "add", source, "--born", "2026-01-01"), "--infant is missing"),
        (("store", "add", source, "--age-weeks", "13"), "--infant is missing"),
        (("store", "add", source, "--infant", "A", "--age-weeks", "900"), "makes no sense"),
        (("store", "add", source, "--infant", "Anna Miller"), "and no name"),
        (("store", "add", source, "--infant", "A", "--sex", "x"), "write female or male"),
        (("store", "add", source, "--recorded", "yesterday"), "is no date"),
        (("store", "add", tmp_path / "none.mp4"), "cannot be read"),
        (("store", "show", "Anna"), "is no recording"),
        (("store", "show", "R7"), "there is no recording R000007"),
        (("store", "list", "--state", "lost"), "write one of recording"),
    ):
        done = run(*arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert message in done.err


def test_add_keeps_the_age(run: Run, make_recording: MakeRecording, folder: Path) -> None:
    told = ("--infant", "A", "--age-weeks", "13.5", "--recorded", "2026-11-20")
    assert run("store", "add", make_recording("1.mp4"), *told).code == 0
    with Store.open(folder) as store:
        infant = store.infant("A")
    assert (infant.age_weeks, infant.age_on) == (13.5, "2026-11-20")


def test_clock_accept(run: Run, make_recording: MakeRecording) -> None:
    run("store", "add", make_recording("1.mp4"))
    assert "nothing speaks against it" in run("store", "clock").out
    assert "nothing speaks against it" in run("store", "clock", "--accept").out
