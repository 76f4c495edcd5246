"""Stand-in for `cuda.bindings.runtime`: memory, copies and streams on the host. Calls answer (code, value...).

Addresses are made up, so that one that was not allocated, or was freed, is an error and no luck.

$STAND_IN_GPU          name, default Orin       $STAND_IN_FAULT   no-driver, no-gpu, no-memory, copy
"""

# ruff: noqa: N801, N802, N815 - the names are NVIDIA's
from __future__ import annotations

import ctypes
import enum
import os
from types import SimpleNamespace

NAME = os.environ.get("STAND_IN_GPU", "Orin")
MEMORY: dict[int, bytearray] = {}
STREAMS: set[int] = set()
_next = 0x10000


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToHost = 0
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


def _fault(name: str) -> bool:
    return os.environ.get("STAND_IN_FAULT") == name


def _new() -> int:
    global _next
    _next += 1 << 30
    return _next


def cudaGetErrorString(error):
    words = {2: b"out of memory", 35: b"CUDA driver version is insufficient for CUDA runtime version"}
    return cudaError_t.cudaSuccess, words.get(int(error), b"invalid argument")


def cudaGetDeviceCount():
    if _fault("no-driver"):
        return cudaError_t.cudaErrorInsufficientDriver, None
    return cudaError_t.cudaSuccess, 0 if _fault("no-gpu") else 1


def cudaGetDeviceProperties(device):
    if device != 0:
        return cudaError_t.cudaErrorInvalidValue, None
    return cudaError_t.cudaSuccess, SimpleNamespace(name=NAME.encode() + b"\0", major=8, minor=7)


def cudaSetDevice(device):
    return (cudaError_t.cudaSuccess if device == 0 else cudaError_t.cudaErrorInvalidValue,)


def cudaMalloc(size):
    if _fault("no-memory"):
        return cudaError_t.cudaErrorMemoryAllocation, None
    address = _new()
    MEMORY[address] = bytearray(b"\xff" * size)  # NaN, until somebody writes
    return cudaError_t.cudaSuccess, address


def cudaFree(devPtr):
    return (cudaError_t.cudaSuccess if MEMORY.pop(devPtr, None) is not None else cudaError_t.cudaErrorInvalidValue,)


def cudaStreamCreate():
    stream = _new()
    STREAMS.add(stream)
    return cudaError_t.cudaSuccess, stream


def cudaStreamDestroy(stream):
    STREAMS.discard(stream)
    return (cudaError_t.cudaSuccess,)


def cudaStreamSynchronize(stream):
    return (cudaError_t.cudaSuccess if stream in STREAMS else cudaError_t.cudaErrorInvalidValue,)


def cudaMemcpyAsync(dst, src, count, kind, stream):
    on_device, on_host = (dst, src) if kind == cudaMemcpyKind.cudaMemcpyHostToDevice else (src, dst)
    if _fault("copy") or stream not in STREAMS or len(MEMORY.get(on_device, b"")) != count:
        return (cudaError_t.cudaErrorInvalidValue,)
    if kind == cudaMemcpyKind.cudaMemcpyHostToDevice:
        MEMORY[on_device][:] = ctypes.string_at(on_host, count)
    else:
        ctypes.memmove(on_host, bytes(MEMORY[on_device]), count)
    return (cudaError_t.cudaSuccess,)


def read(address: int, size: int) -> bytes:
    """What an execution finds there."""
    content = MEMORY[address]
    assert len(content) == size
    return bytes(content)


def write(address: int, content: bytes) -> None:
    """What an execution leaves there."""
    assert len(MEMORY[address]) == len(content)
    MEMORY[address][:] = content
