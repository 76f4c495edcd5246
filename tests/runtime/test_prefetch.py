from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fidgety.runtime.prefetch import Prefetch


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_prefetch_keeps_order_and_ends() -> None:
    with Prefetch(range(500), 3, "stage-order") as items:
        assert list(items) == list(range(500))
    assert "stage-order" not in names()


def test_prefetch_works_in_another_thread() -> None:
    def items() -> Iterator[str]:
        yield threading.current_thread().name

    with Prefetch(items(), 1, "stage-name") as found:
        assert list(found) == ["stage-name"]


def test_prefetch_nothing_ends_at_once() -> None:
    with Prefetch([], 1, "stage-empty") as items:
        assert list(items) == []


def test_prefetch_is_never_further_ahead_than_its_depth() -> None:
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for i in range(40):
            made = i + 1
            yield i

    with Prefetch(items(), 4, "stage-depth") as found:
        for i, _ in enumerate(found, start=1):
            time.sleep(0.002)
            assert made <= i + 4 + 1  # one in the reader's hand, one in the stage's


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_prefetch_error_in_the_stage_comes_out_at_the_reader_in_its_place(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise error

    found = []
    with pytest.raises(type(error)), Prefetch(items(), 2, "stage-error") as stage:
        for item in stage:
            found.append(item)
    assert found == [0, 1, 2, 3, 4]
    assert "stage-error" not in names()


def test_prefetch_reader_that_leaves_early_ends_the_thread() -> None:
    def items() -> Iterator[int]:
        i = 0
        while True:
            yield i
            i += 1

    with Prefetch(items(), 2, "stage-early") as stage:
        assert next(iter(stage)) == 0
        time.sleep(0.02)  # the stage now waits on its full queue
    assert "stage-early" not in names()


def test_prefetch_reader_that_never_reads_ends_the_thread() -> None:
    with Prefetch(iter(range(10**9)), 2, "stage-unread"):
        time.sleep(0.02)
    assert "stage-unread" not in names()


def test_prefetch_error_in_the_reader_is_not_hidden() -> None:
    def items() -> Iterator[int]:
        while True:
            yield 1

    with pytest.raises(ZeroDivisionError), Prefetch(items(), 2, "stage-reader") as stage:
        for item in stage:
            _ = item / 0
    assert "stage-reader" not in names()


def test_prefetch_two_in_a_row_end_together() -> None:
    def double(numbers: Prefetch[int]) -> Iterator[int]:
        for number in numbers:
            yield 2 * number

    with Prefetch(range(300), 2, "first") as first, Prefetch(double(first), 2, "second") as second:
        assert list(second) == list(range(0, 600, 2))
    endless = iter(lambda: 1, 2)
    with Prefetch(endless, 2, "first") as first, Prefetch(double(first), 2, "second") as second:
        assert next(iter(second)) == 2
    assert not {"first", "second"} & names()
