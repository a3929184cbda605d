"""What a check tells: what is wrong, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`problem`: one sentence that names the culprit; `remedy`: one that says what to do.

    `fix` does what `remedy` says; None where a person has to. It does only what is provably right, looks again before it
    does it, and raises KnownatError where it cannot.
    """

    problem: str
    remedy: str
    fix: Callable[[], None] | None = None
