"""Provisioning against the stand-in: what is kept, what is refused, and what a kill, a full disk or a rival leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fidgety.device.engines import provision
from fidgety.errors import BundleError, DeviceError
from fidgety.runtime.devices import engine_key
from fidgety.runtime.engine_files import read_engine, read_record, record_path
from fidgety.runtime.networks import Graph
from fidgety.runtime.tensorrt_session import Nvidia

LoadStandIn = Callable[..., Nvidia]
MakeGraph = Callable[..., Graph]
X, B = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([[1, 2, 3]], np.float32)
GOLDEN = {name: ({"x": X, "b": B}, {"x": X[::-1] + 5, "b": B}) for name in ("small", "other")}


def _golden() -> dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    return GOLDEN


def _names(folder: Path, suffix: str) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if one.name.endswith(suffix))


def _refused(folder: Path, graph: Graph, nvidia: Nvidia, message: str) -> None:
    """The engine is not loaded, with this message, and provisioning makes a new one that is."""
    key = engine_key(graph, nvidia.gpu())
    with pytest.raises(DeviceError, match=message):
        read_engine(folder, key)
    (again,) = provision([graph], folder, nvidia, _golden)
    assert again.is_new
    assert read_engine(folder, key).record == again.record
    assert len(_names(folder, ".engine")) <= 2 and not _names(folder, ".part")


@pytest.mark.parametrize("version", ["10.3.0", "10.16.1", "11.0.0"])
def test_provision_builds_proves_and_keeps(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, version: str
) -> None:
    nvidia, graphs, steps = load_stand_in(version), [make_graph(), make_graph(3.0, name="other")], []

    def watch(name: str) -> Callable[[str, int, int], None]:
        return lambda phase, done, n: steps.append((name, phase, done, n))

    made = list(provision(graphs, tmp_path / "engines", nvidia, _golden, watch))
    assert [one.is_new for one in made] == [True, True]
    assert steps[:2] == [("small", "Building Engine", 1, 4), ("small", "Building Engine", 2, 4)]
    assert made[0].record.parity == {"y of the largest": 0.0}
    engine = read_engine(tmp_path / "engines", engine_key(graphs[0], nvidia.gpu()))
    assert b'"tf32": false' in engine.content  # whole float32
    key = engine.record.key
    assert (key.tensorrt, key.gpu, key.precision, key.shapes) == (version, "Orin", "fp32", {"x": [4, 3], "b": [1, 3]})

    def never() -> dict[str, object]:
        raise AssertionError("nothing is to be built")

    again = list(provision(graphs, tmp_path / "engines", nvidia, never))
    assert [one.is_new for one in again] == [False, False]
    assert [one.record for one in again] == [one.record for one in made]


def test_provision_keeps_the_engine_before(load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path) -> None:
    """Of each network two: a bundle that is rolled back finds its own."""
    nvidia, folder = load_stand_in(), tmp_path / "engines"
    graphs = [make_graph(factor) for factor in (2.0, 3.0, 4.0)]
    for graph in graphs:
        list(provision([graph], folder, nvidia, _golden))
    assert len(_names(folder, ".engine")) == len(_names(folder, ".json")) == 2
    for graph in graphs[1:]:
        read_engine(folder, engine_key(graph, nvidia.gpu()))
    with pytest.raises(DeviceError, match="was built for another graph; run `fidgety device provision`"):
        read_engine(folder, engine_key(graphs[0], nvidia.gpu()))


@pytest.mark.parametrize("place", [0, 40, -1])
def test_an_engine_with_a_flipped_byte(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, place: int
) -> None:
    nvidia, graph = load_stand_in(), make_graph()
    (made,) = provision([graph], tmp_path / "e", nvidia, _golden)
    path = tmp_path / "e" / made.record.engine
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    _refused(tmp_path / "e", graph, nvidia, "is not the engine that was proved .*damaged or was changed")


def test_an_engine_that_is_truncated_empty_or_gone(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path
) -> None:
    nvidia, graph, folder = load_stand_in(), make_graph(), tmp_path / "e"
    for n_bytes in (0, 100, None):
        (made,) = provision([graph], folder, nvidia, _golden)
        path = folder / made.record.engine
        if n_bytes is None:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:n_bytes])
        _refused(folder, graph, nvidia, "cannot be read" if n_bytes is None else "is not the engine that was proved")


@pytest.mark.parametrize(
    ("field", "value"),
    [("engine_sha256", "0" * 64), ("engine", "../elsewhere.engine"), ("parity", {}), ("built_with", "me")],
)
def test_an_edited_record(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, field: str, value: object
) -> None:
    nvidia, graph, folder = load_stand_in(), make_graph(), tmp_path / "e"
    list(provision([graph], folder, nvidia, _golden))
    path = record_path(folder, engine_key(graph, nvidia.gpu()))
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    _refused(folder, graph, nvidia, "is damaged or was changed")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"seal": 1}', "null", "[" * 5000])
def test_a_record_that_is_none(load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, content: str) -> None:
    nvidia, graph, folder = load_stand_in(), make_graph(), tmp_path / "e"
    list(provision([graph], folder, nvidia, _golden))
    record_path(folder, engine_key(graph, nvidia.gpu())).write_text(content)
    _refused(folder, graph, nvidia, "is damaged or was changed")


def test_another_graphs_engine_under_this_ones_name(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path
) -> None:
    nvidia, graph, other, folder = load_stand_in(), make_graph(), make_graph(3.0), tmp_path / "e"
    list(provision([graph], folder, nvidia, _golden))
    list(provision([other], folder, nvidia, _golden))
    mine, theirs = (record_path(folder, engine_key(one, nvidia.gpu())) for one in (graph, other))
    mine.write_bytes(theirs.read_bytes())
    _refused(folder, graph, nvidia, "speaks of another engine than its name says")


@pytest.mark.parametrize(
    ("version", "gpu", "message"),
    [
        ("10.16.1", "Orin", "was built for TensorRT 10.3.0, not 10.16.1; run"),
        ("10.3.0", "Thor", "was built for the GPU Orin, not Thor; run"),
    ],
)
def test_a_foreign_engine(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, version: str, gpu: str, message: str
) -> None:
    graph, folder = make_graph(), tmp_path / "e"
    list(provision([graph], folder, load_stand_in(), _golden))
    _refused(folder, graph, load_stand_in(version, gpu), message)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("wrong", "does not say what the CPU says: y differ by 0.0[12]"),
        ("nan", "differ by nan"),
        ("stuck", "y differ by"),
        ("build", "could not build small-2.0.onnx"),
        ("deserialise", "refuses the engine"),
    ],
)
def test_provision_of_what_does_not_pass_leaves_nothing(
    load_stand_in: LoadStandIn,
    make_graph: MakeGraph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    message: str,
) -> None:
    nvidia, folder = load_stand_in(), tmp_path / "e"
    monkeypatch.setenv("STAND_IN_FAULT", fault)
    with pytest.raises(DeviceError, match=message):
        list(provision([make_graph()], folder, nvidia, _golden))
    assert [one.name for one in folder.iterdir()] == [".lock"]


def test_provision_of_a_graph_that_the_parser_refuses(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia = load_stand_in()
    monkeypatch.setenv("STAND_IN_FAULT", "parse")
    with pytest.raises(BundleError, match=r"NonZero 'node_0': UNSUPPORTED_NODE .No importer registered"):
        list(provision([make_graph()], tmp_path, nvidia, _golden))


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ({}, "cannot run: no recorded input for small"),
        ({"small": (GOLDEN["small"][0], GOLDEN["small"][0])}, "proves nothing of small"),
    ],
)
def test_provision_without_a_gate_that_tells_something(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, golden: dict, message: str
) -> None:
    with pytest.raises(DeviceError, match=message):
        list(provision([make_graph()], tmp_path, load_stand_in(), lambda: golden))
    assert not _names(tmp_path, ".engine")


@pytest.mark.parametrize("n_writes", [0, 1, 2, 3])
def test_provision_while_the_disk_fills(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_writes: int
) -> None:
    """The n-th sync fails: of the engine, its folder, the record, its folder."""
    nvidia, folder, old, new = load_stand_in(), tmp_path / "e", make_graph(), make_graph(3.0)
    list(provision([old], folder, nvidia, _golden))
    synced, fsync = [], os.fsync

    def fill(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > n_writes:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill)
        with pytest.raises(DeviceError, match="No space left on device; what was there stays"):
            list(provision([new], folder, nvidia, _golden))
    read_engine(folder, engine_key(old, nvidia.gpu()))
    assert not _names(folder, ".part")
    list(provision([new], folder, nvidia, _golden))
    for graph in (old, new):
        read_engine(folder, engine_key(graph, nvidia.gpu()))
    assert len(_names(folder, ".engine")) == 2


def test_provision_into_a_folder_that_cannot_be_written(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match=r"cannot be written to .*file: File exists; name another --engines"):
        list(provision([make_graph()], tmp_path / "file", load_stand_in(), _golden))
    opened = Path.open

    def refuse(self: Path, *told: object, **more: object) -> object:
        if "w" in str(told[:1]):
            raise PermissionError(30, "Read-only file system")
        return opened(self, *told, **more)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DeviceError, match="Read-only file system; name another --engines"):
        list(provision([make_graph()], tmp_path / "e", load_stand_in(), _golden))


def test_provision_twice_at_once(load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path) -> None:
    nvidia, graph = load_stand_in(), make_graph()
    first = provision([graph, make_graph(3.0, name="other")], tmp_path, nvidia, _golden)
    next(first)
    with pytest.raises(DeviceError, match=r"are being built in .* already: wait"):
        next(provision([graph], tmp_path, nvidia, _golden))
    assert len(list(first)) == 1
    assert len(list(provision([graph], tmp_path, nvidia, _golden))) == 1


def test_provision_killed_at_50_random_moments(
    load_stand_in: LoadStandIn, make_graph: MakeGraph, tmp_path: Path
) -> None:
    """Each time the old engine is whole, the new one is whole or not there, and the next attempt goes through."""
    seed = int(time.time())
    print(f"seed {seed}")
    moments, folder, nvidia = random.Random(seed), tmp_path / "e", load_stand_in()
    old, new = make_graph(), make_graph(3.0)
    keys = [engine_key(one, nvidia.gpu()) for one in (old, new)]
    list(provision([old], folder, nvidia, _golden))
    start = time.monotonic()
    list(provision([new], folder, nvidia, _golden))
    usual_s = time.monotonic() - start
    n_new = 0
    for _ in range(50):
        record_path(folder, keys[1]).unlink()
        child = os.fork()
        if child == 0:
            try:
                list(provision([new], folder, nvidia, _golden))
            finally:
                os._exit(0)
        time.sleep(moments.uniform(0.0, 1.3 * usual_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        read_engine(folder, keys[0])
        if record_path(folder, keys[1]).exists():
            read_engine(folder, keys[1])
            n_new += 1
        (again,) = provision([new], folder, nvidia, _golden)
        assert read_engine(folder, keys[1]).record == again.record
        read_engine(folder, keys[0])
        assert len(_names(folder, ".engine")) == 2 and not _names(folder, ".part")
    print(f"killed before the new one was in use: {50 - n_new}, after: {n_new}")


def test_read_record_says_where(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"none\.json cannot be read: No such file"):
        read_record(tmp_path / "none.json")
