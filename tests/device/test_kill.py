"""Kill -9 at random moments: whatever was acknowledged is there, once, and the next start goes on by itself.

The child says what it has finished by a line in a file outside the store, as a recorder's lamp would.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from fidgety.device.holdings import About, Infant
from fidgety.device.inspection import inspect
from fidgety.device.log_check import verify
from fidgety.device.retention import Rule, plan, purge, set_rule
from fidgety.device.sealing import turn_on
from fidgety.device.store import Store
from fidgety.device.vault import Key, make_key_file

from .conftest import MakeRecording, a_result

N_KILLS = 40


class Child:
    """What runs until it is killed: everything that writes to a store, in any order."""

    def __init__(self, folder: Path, said: Path, key: Key, seed: int) -> None:
        self.folder, self.key, self.choice = folder, key, random.Random(seed)
        self.said = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.scratch = said.parent / "scratch"
        self.n = 0

    def run(self) -> None:
        while True:
            with Store.open(self.folder, key=self.key) as store:
                for _ in range(self.choice.randrange(4, 12)):
                    self.choice.choice((self.add, self.add, self.record, self.score, self.score, self.tidy))(store)

    def say(self, *told: str) -> None:
        os.write(self.said, f"{' '.join(told)}\n".encode())

    def content(self) -> bytes:
        self.n += 1
        return f"{os.getpid()}-{self.n}-".encode() * self.choice.randrange(1, 9000)

    def add(self, store: Store) -> None:
        source = self.scratch / f"{os.getpid()}-{self.n}.mp4"
        source.write_bytes(self.content())
        about = About(Infant(f"I-{self.choice.randrange(5)}"))
        added = store.add(source, about)
        again = store.add(source, about)
        assert added.id == again.id and not again.is_new
        self.say("added", added.id)

    def record(self, store: Store) -> None:
        begun = store.begin(About(session_id="visit"))
        for n in range(self.choice.randrange(1, 4)):
            (begun.folder / f"{n:04d}.mkv").write_bytes(self.content())
        self.say("filmed", begun.id)
        store.finish_recording(begun.id)
        self.say("added", begun.id)

    def score(self, store: Store) -> None:
        claim = store.claim_next("scorer")
        if claim is None:
            return
        with store.opened(claim.recording, claim.recording.videos[0]) as path:
            assert path.stat().st_size > 0
        poses = self.scratch / f"{os.getpid()}.poses"
        poses.write_bytes(b"poses")
        self.n += 1
        told = f"{os.getpid()}-{self.n}"
        store.finish(claim, a_result(json.dumps({"told": told}), poses=poses))
        self.say("scored", claim.recording.id, told)

    def tidy(self, store: Store) -> None:
        scored = store.recordings("scored")
        if not scored:
            return
        one = self.choice.choice(scored)
        what = self.choice.randrange(5)
        if what == 0:
            store.shelf.books.accept_clock()
        elif what == 1:
            self.say("overridden", one.id, str(store.override(one.id, "S-1", "FMs present", "seen")))
        elif what == 2:
            set_rule(store.shelf, Rule(self.choice.randrange(1, 99)))
        elif what == 3:
            list(turn_on(store.shelf, self.key))
        else:
            with store.shelf.books.change() as change:
                change.run("UPDATE recordings SET is_deletion_confirmed = 1 WHERE number = ?", one.number)
                change.note("deletion-confirmed", recording=one.id, staff="S-1")
            for due in plan(store.shelf).due:
                purge(store.shelf, due)
                self.say("purged", due.recording.id)


def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    seed = int(os.environ.get("FIDGETY_SEED") or time.time())
    print(f"seed {seed}")
    moments = random.Random(seed)
    folder, said = tmp_path / "store", tmp_path / "said"
    said.touch()
    (tmp_path / "scratch").mkdir()
    key = make_key_file(tmp_path / "key")
    put_in_order: Counter[str] = Counter()
    for _ in range(N_KILLS):
        child_seed = moments.randrange(1 << 30)
        child = os.fork()
        if child == 0:
            try:
                Child(folder, said, key, child_seed).run()
            except BaseException as error:
                said.with_name("fault").write_text(f"{type(error).__name__}: {error}")
            finally:
                os._exit(1)
        time.sleep(moments.uniform(0.01, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert not said.with_name("fault").exists(), said.with_name("fault").read_text()
        with Store.open(folder, key=key) as store:
            put_in_order.update(line.split(":")[0] for line in store.recovery.lines())
            _check(store, said.read_text())
    print(f"{len(said.read_text().splitlines())} acknowledged; put in order: {dict(put_in_order)}")
    with Store.open(folder, key=key) as store:
        assert store.recovery.is_quiet
        list(turn_on(store.shelf, key))
        assert [str(fault) for _, _, fault in inspect(store.shelf) if fault] == []
        _check_contents(store)


def _check(store: Store, said: str) -> None:
    told = [line.split() for line in said.splitlines()]
    recordings = {one.id: one for one in store.recordings()}
    states = Counter(one.state for one in recordings.values())
    assert states["scoring"] == states["recording"] == states["failed"] == 0
    assert all(one.kept("about") for one in recordings.values())
    hashes = [one.sha256 for one in recordings.values() if one.sha256]
    assert len(hashes) == len(set(hashes))
    results = {
        one.id: [json.loads(store.result_content(kept))["told"] for kept in store.results(one.id)]
        for one in recordings.values()
        if one.state == "scored"
    }
    given = [one for kept in results.values() for one in kept]
    assert len(given) == len(set(given)) == len(results)
    for what, recording_id, *more in told:
        recording = recordings[recording_id]
        if what == "added":
            assert recording.state in ("queued", "scored")
        elif what == "filmed":
            assert recording.state in ("recorded", "queued", "scored") and recording.videos
        elif what == "scored":
            assert results[recording_id] == more
        elif what == "purged":
            assert not recording.kept("video") and recording.kept("poses") and recording.kept("result")
            assert not any((store.folder / "recordings" / recording_id).glob("*.m*"))
        elif what == "overridden":
            assert more[0] in {str(one.id) for one in store.overrides(recording_id)}
    for one in recordings.values():
        assert not any(store.shelf.path_of(one.number, file).exists() for file in one.files if file.gone)
    assert [row[0] for row in store.shelf.books.database.execute("PRAGMA integrity_check")] == ["ok"]
    assert store.shelf.books.read("PRAGMA foreign_key_check") == []
    assert verify(store.shelf.books).faults == ()
    assert list((store.folder / "staged").iterdir()) == list((store.folder / "opened").iterdir()) == []


def _check_contents(store: Store) -> None:
    """What is in the store is what was made, to the last byte of every video that was not deleted on purpose."""
    for recording in store.recordings():
        for file in recording.kept("video"):
            with store.opened(recording, file) as path:
                content = path.read_bytes()
            first = content.split(b"-")[0] + b"-" + content.split(b"-")[1] + b"-"
            if not recording.is_cut_short:
                assert content == first * (len(content) // len(first))


def test_many_processes_at_once(tmp_path: Path, make_recording: MakeRecording) -> None:
    """Three of them add, some of it the same, score, open and close, all at the same time."""
    folder, n_own, n_common = tmp_path / "store", 4, 3
    sources = [[make_recording(f"{who}-{n}.mp4") for n in range(n_own)] for who in range(3)]
    common = [make_recording(f"all-{n}.mp4") for n in range(n_common)]
    children = []
    for who in range(3):
        child = os.fork()
        if child == 0:
            try:
                for source in (*sources[who], *common):
                    with Store.open(folder) as store:
                        store.add(source)
                        claim = store.claim_next(f"w{who}")
                        if claim is not None:
                            store.finish(claim, a_result(json.dumps({"told": f"{who}-{source.name}"})))
            except BaseException as error:
                (tmp_path / f"fault-{who}").write_text(f"{type(error).__name__}: {error}")
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert [path.read_text() for path in tmp_path.glob("fault-*")] == []
    with Store.open(folder) as store:
        assert store.recovery.lines() == []
        assert len(store.recordings()) == 3 * n_own + n_common
        _check(store, "")


def test_child_does_say_what_it_cannot_do(tmp_path: Path) -> None:
    """The test above would notice: a child on a store that is damaged fails, it does not go quiet."""
    (tmp_path / "scratch").mkdir()
    child = Child(tmp_path / "store", tmp_path / "said", make_key_file(tmp_path / "key"), 1)
    with Store.open(child.folder) as store:
        child.add(store)
        child.score(store)
    (child.folder / "recordings").rename(tmp_path / "away")
    with pytest.raises(Exception, match="is its disk mounted"):
        child.run()
    assert (tmp_path / "said").read_text().split()[:2] == ["added", "R000001"]
