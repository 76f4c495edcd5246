"""Protocol files: what they hold, and that a slip of the pen is named."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import pytest

from fidgety.errors import UsageError
from fidgety.training.protocol import protocol_of, read_protocol

REDUCED = (files("fidgety.training") / "protocols" / "reduced.toml").read_text(encoding="utf-8")


def test_read_protocol_full_holds_the_published_figures() -> None:
    full = read_protocol("full")
    ref, main = full.mam.ref, full.mam.main
    assert (ref.epochs, ref.batch, ref.optimiser, ref.rate, ref.weight_decay) == (150, 64, "adam", 1e-3, 1e-3)
    assert (ref.schedule, main.schedule, main.optimiser, main.epochs, main.batch) == ("step", "cyclic", "sgd", 300, 64)
    assert (main.least_rate, main.rate, full.mam.frame_stride, full.mam.label_ramp) == (1e-5, 1e-3, 1, 0.0)
    assert full.mam.dropout == 0.6
    stam, wo_gma = full.stam.fit, full.wo_gma.fit
    assert (full.stam.width, stam.rate, stam.weight_decay, stam.batch) == (1.0, 1e-4, 1e-4, 64)
    assert (full.wo_gma.width, wo_gma.rate, wo_gma.weight_decay) == (1.0, 5e-5, 5e-4)
    assert (wo_gma.batch, wo_gma.epochs, full.wo_gma.n_blocks) == (16, 100, 0)


def test_read_protocol_reduced_fits_into_ninety_minutes() -> None:
    reduced = read_protocol("reduced")
    ref, main = reduced.mam.ref, reduced.mam.main
    # .19 s for a step of 32 clips, .44 s for one of 64, two free cores
    assert (0.19 * ref.epochs * ref.epoch_steps + 0.44 * main.epochs * main.epoch_steps) / 60 < 60


def test_read_protocol_brief_is_reduced_with_fewer_steps() -> None:
    brief, reduced = asdict(read_protocol("brief")), asdict(read_protocol("reduced"))
    fits = [(brief["mam"]["ref"], reduced["mam"]["ref"]), (brief["mam"]["main"], reduced["mam"]["main"])]
    fits += [(brief[system]["fit"], reduced[system]["fit"]) for system in ("stam", "wo_gma")]
    for ours, theirs in fits:
        assert ours.pop("epochs") < theirs.pop("epochs")
    del brief["name"], reduced["name"], brief["threads"], reduced["threads"]
    assert brief == reduced


def test_protocol_of_takes_what_a_run_keeps() -> None:
    reduced = read_protocol("reduced")
    assert protocol_of(asdict(reduced), "run.json") == reduced


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("threads = 2", "threads = 2\nthread = 3", "own.toml: unknown key 'thread'"),
        ("threads = 2\n", "", "own.toml: key 'threads' is missing"),
        ("frame_stride = 6", "frame_stride = 6.5", "own.toml: mam: frame_stride is 6.5: expected int"),
        ("frame_stride = 6", "frame_stride = 0", "mam: frame_stride is 0: expected 1 or more"),
        ("frame_stride = 6", "", "own.toml: mam: key 'frame_stride' is missing"),
        ("dropout = 0.1", "dropout = 1.0", "own.toml: mam: dropout is 1.0: expected less than 1"),
        ("batch = 32", "batch = 30", "mam: ref: batch is 30: expected a multiple of 4"),
        ('optimiser = "adam"', 'optimiser = "lion"', "mam: ref: optimiser is 'lion': expected one of adam, sgd"),
        ("rate = 1e-3", "rate = -1e-3", "mam: ref: rate is -0.001: expected 0 or more"),
        ("has_prior = true", "has_prior = 1", "mam: has_prior is 1: expected bool"),
        ("held_out_share = 0.2", "held_out_share = 0.0", "held_out_share is 0.0: more than 0"),
        ("miss_weight = 3.0", "miss_weight = 0.0", "miss_weight is 0.0: expected more than 0"),
        ("[mam.ref]", "[mam.reff]", "own.toml: mam: unknown key 'reff'"),
        ("threads = 2", "threads 2", "own.toml is no TOML"),
    ],
)
def test_read_protocol_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in REDUCED
    (tmp_path / "own.toml").write_text(REDUCED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_protocol(str(tmp_path / "own.toml"))
    assert message in str(caught.value)


def test_read_protocol_without_a_file() -> None:
    with pytest.raises(UsageError, match="no protocol quick: name brief, reduced, full or a readable TOML file"):
        read_protocol("quick")
