from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.demo_files import demo_file
from fidgety.device.bench import STAGES, bench_recording, benchmark_to_json, format_benchmark

from .conftest import MakeTree, orin_nano_jetpack_6

pytestmark = pytest.mark.bundle


def test_bench_accounts_for_every_frame_and_names_nobody(make_tree: MakeTree) -> None:
    bundle, tree = open_bundle(default_bundle_path()), make_tree(orin_nano_jetpack_6())
    found = bench_recording(str(demo_file("sample.mp4")), bundle, max_duration_s=10.0, tree=tree)
    assert found.n_frames == 10 * 25 + 1
    assert found.picture_px == (1280, 720)
    assert set(found.stages) == set(STAGES)
    assert found.stages["decode"].n_items >= found.stages["pose"].n_items == found.stages["under_way"].n_items == 251
    assert found.stages["mam"].n_items == 1
    for latency in found.stages.values():
        assert 0.0 < latency.p50_ms <= latency.p95_ms <= latency.p99_ms
    # What the pose stage does by itself cannot take longer than the run.
    assert found.stages["pose"].p50_ms * 251 / 1e3 < found.loading_s + found.scoring_s + 1.0
    assert found.frames_per_s == pytest.approx(250 / found.scoring_s)
    assert found.moments and found.moments[0].hottest_c == 48.5

    account = benchmark_to_json(found, bundle, tree)
    text = json.dumps(account, allow_nan=False)
    assert account["box"]["jetpack"] == "6.2" and account["bundle"]["sha256"] == bundle.sha256
    for secret in (socket.gethostname(), str(Path.home()), "sample", "5d0b7a2e", "fms_frequency", "risk"):
        assert f'"{secret}' not in text and f"/{secret}" not in text
    assert "x real time" in format_benchmark(found)
