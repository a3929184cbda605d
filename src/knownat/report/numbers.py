"""Numbers as a person reads them: the same number always gives the same text."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

MISSING = "–"
GAP = "\N{NO-BREAK SPACE}"
UNITS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


def count(number: int | None) -> str:
    """9999 → 9,999"""
    return MISSING if number is None else f"{number:,}"


def share(part: float | None) -> str:
    """0.1234 → 12.3 %; what is neither none nor all never reads as 0 % or 100 %."""
    if part is None or not math.isfinite(part):
        return MISSING
    if part in (0, 1):
        return f"{part:.0%}".replace("%", f"{GAP}%")
    return f"< 0.1{GAP}%" if part < 0.0005 else f"> 99.9{GAP}%" if part > 0.9995 else f"{100 * part:.1f}{GAP}%"


def score(number: float | None) -> str:
    return MISSING if number is None or not math.isfinite(number) else f"{number:.3f}".replace("-", "−")


def significant(number: float | None) -> str:
    """Three significant digits, more for what is left of the point: 26989.6 → 26,990; 0.41372 → 0.414."""
    if number is None or not math.isfinite(number):
        return MISSING
    if number == 0:
        return "0"
    if 1e-4 <= abs(number) < 1e15:
        digits = max(0, 2 - math.floor(math.log10(abs(number))))
        text = f"{number:,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{number:.2e}"
    return text.replace("-", "−")


def moment(at: datetime) -> str:
    """A time in UTC, without its clock where that is midnight."""
    return f"{at:%Y-%m-%d}" if at.time() == datetime.min.time() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def duration(span: timedelta) -> str:
    """1 day, 12 hours"""
    for unit, seconds in UNITS.items():
        number, rest = divmod(span.total_seconds(), seconds)
        if number and not rest:
            return f"{number:,.0f} {unit}{'' if number == 1 else 's'}"
    return f"{span.total_seconds():,g} seconds"


def listed(words: list[str]) -> str:
    """a, b and c"""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
