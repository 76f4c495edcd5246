"""`fidgety serve`: score what the recorder or a folder brings, unattended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import (
    BundlePath,
    DeviceName,
    DeviceOption,
    KeyFile,
    StorePath,
    bundle_place,
    load_bundle,
    load_device,
    store_place,
)

if TYPE_CHECKING:
    from fidgety.batch.for_store import DeviceFor
    from fidgety.bundle import Bundle
    from fidgety.device.arrivals import Arrivals
    from fidgety.device.bundle_keeper import SelfTest
    from fidgety.device.store import Store
    from fidgety.device.voice import Voice
    from fidgety.device.watch_folder import Arrival
    from fidgety.runtime.devices import Device

__all__ = ["serve"]

_PATHS = ("--store", "--watch", "--infants", "--key-file", "--bundle")  # options that name a file or folder


def serve(
    store: StorePath = None,
    watch: Annotated[Path | None, typer.Option("--watch", help="Take in what comes into this folder too.")] = None,
    infants: Annotated[
        Path | None,
        typer.Option(
            help="CSV for --watch: recording, infant, recorded, born, gestation (or age_weeks in place of these two), "
            "sex, birth_weight."
        ),
    ] = None,
    key_file: KeyFile = None,
    bundle_path: BundlePath = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="CPU threads for the pose network.")] = 2,
    settle_s: Annotated[
        float, typer.Option("--settle-s", min=0.0, help="A file is whole when it stood still for so long.")
    ] = 10.0,
    poll_s: Annotated[float, typer.Option("--poll-s", min=0.01, help="How often it is looked for recordings.")] = 2.0,
    slow_from_c: Annotated[float, typer.Option("--slow-from-c", help="Work at half pace from this heat on.")] = 85.0,
    wait_from_c: Annotated[float, typer.Option("--wait-from-c", help="Wait from this heat on.")] = 93.0,
    cool_below_c: Annotated[float, typer.Option("--cool-below-c", help="At full pace again below this.")] = 78.0,
    min_assessable_s: Annotated[
        float | None,
        typer.Option("--min-assessable-s", min=0.0, help="Lower the 60 s rule (for tests; said in the result)."),
    ] = None,
    device: DeviceOption = DeviceName.auto,
    has_self_test: Annotated[
        bool, typer.Option("--self-test/--no-self-test", help="Before the first infant of a day, a start or a bundle.")
    ] = True,
    is_once: Annotated[bool, typer.Option("--once", help="End when nothing waits any more.")] = False,
    print_unit: Annotated[
        bool, typer.Option("--print-unit", help="Print a systemd unit for these options, and end.")
    ] = False,
    user: Annotated[str | None, typer.Option("--user", help="The user of the unit (default: you).")] = None,
) -> None:
    """Score unattended: what waits in the store, and what comes into a folder, one recording after another.

    Nothing is deleted. A recording that fails for an outside reason (a full disk) is tried again after growing pauses,
    a damaged one is set aside with the reason. A kill or power cut costs the score in work, which begins anew.
    """
    place = store_place(store).absolute()
    if print_unit:
        _print_unit(place, watch, (infants, key_file), user, bundle_place(bundle_path))
        return
    import signal
    import time

    from fidgety.batch.for_store import scorer_for_store
    from fidgety.device.bundle_keeper import BundleKeeper
    from fidgety.device.cooling import Cooling, Limits, hottest_c
    from fidgety.device.daily_test import daily_test
    from fidgety.device.service import Plan, Service, Stop
    from fidgety.device.store import Store
    from fidgety.device.tree import SystemTree
    from fidgety.device.vault import default_key_file, read_key_file
    from fidgety.device.voice import Voice
    from fidgety.device.watchdog import Watchdog

    voice, stop, watchdog = Voice(), Stop(), Watchdog(clock_s=time.monotonic)
    cooling = Cooling(lambda: hottest_c(SystemTree()), Limits(slow_from_c, wait_from_c, cool_below_c))
    device_for = _devices(device)

    def seen(_: object) -> None:  # by the self-test, pose by pose
        stop.check()
        watchdog.alive()

    test = daily_test(place / "service", device_for, voice.info, seen) if has_self_test else _untested(voice)
    keeper = BundleKeeper(bundle_place(bundle_path), lambda: load_bundle(bundle_path), test, voice)
    key_place = key_file or default_key_file()
    key = None if key_place is None else read_key_file(key_place)
    with Store.open(place, key=key) as opened:
        arrivals = None if watch is None else _arrivals(watch, infants, settle_s, opened, voice)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop.request)
        scorer = scorer_for_store(threads, min_assessable_s, device_for)
        plan = Plan(poll_s, is_once)
        Service(opened, keeper, scorer, voice, watchdog, cooling, stop, arrivals, plan).run()


def _devices(asked: DeviceName) -> DeviceFor:
    """Chooses the device anew for every bundle, once."""
    chosen: dict[str, Device] = {}

    def device_for(bundle: Bundle) -> Device:
        if bundle.sha256 not in chosen:
            chosen[bundle.sha256] = load_device(asked, bundle)
        return chosen[bundle.sha256]

    return device_for


def _untested(voice: Voice) -> SelfTest:
    voice.error("--no-self-test: nobody checks that this box still measures rightly")
    return lambda _: None


def _arrivals(watch: Path, infants: Path | None, settle_s: float, store: Store, voice: Voice) -> Arrivals:
    import time

    from fidgety.device.arrivals import Arrivals
    from fidgety.device.holdings import About
    from fidgety.device.told import ToldInfants
    from fidgety.device.watch_folder import WatchFolder
    from fidgety.errors import UsageError

    if watch.absolute() == store.folder or store.folder.is_relative_to(watch.absolute()):
        raise UsageError(f"the store lies in the watched folder {watch}: choose two folders beside each other")
    about_for = (lambda _: About()) if infants is None else ToldInfants(infants)
    return Arrivals(WatchFolder(watch, store.folder, settle_s), about_for, _opens, voice, time.monotonic)


def _opens(arrival: Arrival) -> str | None:
    from fidgety.errors import SourceError
    from fidgety.runtime.posefile import POSE_SUFFIXES, open_poses
    from fidgety.runtime.source import open_source

    try:
        if arrival.path.suffix.lower() in POSE_SUFFIXES:
            open_poses(arrival.path, 25.0)
        else:
            open_source(str(arrival.path)).__exit__(None, None, None)
    except SourceError as error:
        return str(error)
    return None


def _print_unit(
    store: Path, watch: Path | None, reads: tuple[Path | None, Path | None], user: str | None, bundle: Path
) -> None:
    """stdout: the unit for the very options of this call, with the places that this user's other commands take.

    `reads`: table of infants and key of the store, as they were named.
    """
    import getpass
    import os
    import shutil
    import sys

    from fidgety.bundle.signature import PASSPHRASE, key_folder
    from fidgety.device.state import state_folder
    from fidgety.device.unit import UnitPlan, render_unit, with_absolute_paths
    from fidgety.device.vault import KEY_FILE, default_key_file
    from fidgety.runtime.engine_files import default_engine_folder

    program = shutil.which("fidgety")
    start = (program,) if program else (sys.executable, "-m", "fidgety.cli")
    typed = [word for word in sys.argv[sys.argv.index("serve") + 1 :] if word != "--print-unit"]
    rest = with_absolute_paths(typed, _PATHS, Path.cwd())
    if "--store" not in rest and not any(word.startswith("--store=") for word in rest):
        rest += ["--store", str(store)]
    places = {
        "FIDGETY_BUNDLE": bundle.absolute(),
        "FIDGETY_KEYS": key_folder().absolute(),
        "FIDGETY_ENGINES": default_engine_folder().absolute(),
        "FIDGETY_STATE": state_folder().absolute(),  # the reference of the self-test
    }
    if (key_file := default_key_file()) is not None:
        places[KEY_FILE] = key_file.absolute()
    plan = UnitPlan(
        (*start, "serve", *rest),
        store,
        None if watch is None else watch.absolute(),
        (Path(start[0]).absolute(), Path(start[0]).resolve(), *(path.absolute() for path in reads if path is not None)),
        user or getpass.getuser(),
        places=places,
    )
    print(render_unit(plan), end="")
    if os.environ.get(PASSPHRASE):
        print(
            f"info: the unit does not hold ${PASSPHRASE}, which everybody could read there: write it into a file for "
            "root alone and name that by `systemctl edit fidgety`: [Service] EnvironmentFile=FILE",
            file=sys.stderr,
        )
