"""The bundle that the service scores with: opened and checked when it changes, refused where it is not sound.

A refused bundle stops the scoring, not the service: recordings keep coming in and wait. It is looked at again when its
place changes (another bundle is installed), and now and then where nothing seems to have changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fidgety.bundle import Bundle
from fidgety.bundle.manifest import MANIFEST_NAME
from fidgety.device.voice import Voice
from fidgety.errors import BundleError, DeviceError, SourceError

__all__ = ["BundleKeeper", "SelfTest"]

SelfTest = Callable[[Bundle], str | None]  # what is wrong with what this device makes of the bundle; None: nothing
_AGAIN_S = 300.0

_Signature = tuple[str, int, int] | None


class BundleKeeper:
    """Knows whether there is a bundle to score with. `load` opens and checks it, raising BundleError."""

    def __init__(
        self,
        place: Path,
        load: Callable[[], Bundle],
        self_test: SelfTest,
        voice: Voice,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._load = load
        self._self_test = self_test
        self._voice = voice
        self._clock_s = clock_s
        self._seen: _Signature = None
        self._looked_s: float | None = None
        self._bundle: Bundle | None = None
        self.fault: str | None = None  # why nothing is scored

    def current(self) -> Bundle | None:
        """The bundle to score with now; None where it is refused, and `fault` says why.

        The self-test is asked each time: it knows for how long its last outcome holds.
        """
        signature = self._signature()
        is_due = self._looked_s is None or (self._bundle is None and self._clock_s() - self._looked_s >= _AGAIN_S)
        if is_due or signature != self._seen:
            self._seen, self._looked_s = signature, self._clock_s()
            self._open()
        if self._bundle is not None and (fault := self._tested(self._bundle)) is not None:
            self.refuse(fault)
        return self._bundle

    def refuse(self, reason: str) -> None:
        """It was found wanting while it was in use: nothing more is scored with it until its place changes."""
        self._bundle, self._looked_s = None, self._clock_s()
        self._say(reason)

    def _open(self) -> None:
        try:
            bundle = self._load()
        except (BundleError, DeviceError) as error:
            self._bundle = None
            self._say(str(error))
            return
        if (fault := self._tested(bundle)) is not None:
            self._bundle = None
            self._say(fault)
            return
        self._bundle, self.fault = bundle, None
        self._voice.info(f"scores with the bundle {bundle.label}")

    def _tested(self, bundle: Bundle) -> str | None:
        """What is wrong with it on this device."""
        try:
            fault = self._self_test(bundle)
        except (BundleError, DeviceError, SourceError) as error:
            fault = str(error)
        return None if fault is None else f"the self-test failed with {bundle.label}: {fault}"

    def _say(self, fault: str) -> None:
        if fault != self.fault:
            self._voice.error(f"nothing is scored until this is mended, recordings wait: {fault}")
        self.fault = fault

    def _signature(self) -> _Signature:
        """Tells of another bundle in the place without reading it."""
        try:
            folder = self._place.resolve()
            state = (folder / MANIFEST_NAME).stat()
        except OSError:
            return None
        return str(folder), state.st_size, state.st_mtime_ns
