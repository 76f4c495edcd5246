"""What a check gives."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding", "fault", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    code: str  # stable: for programs and telephone calls
    is_fault: bool  # must be put right before the box may be used; else it only should be
    sentence: str  # what is so
    remedy: str  # what to do


def fault(code: str, sentence: str, remedy: str) -> Finding:
    """Something that must be put right."""
    return Finding(code, True, sentence, remedy)


def warning(code: str, sentence: str, remedy: str) -> Finding:
    """Something that should be put right."""
    return Finding(code, False, sentence, remedy)
