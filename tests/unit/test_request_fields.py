"""What may be sent for a field, and how each other value is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from knownat.declaration import Column
from knownat.errors import RefusedField
from knownat.request_fields import Bounds, Field


def field(dtype: str, **declared: Any) -> Field:
    column = Column(dtype=dtype, **declared)
    return Field("sent", dtype, Bounds.of("sent", dtype, column))


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("string", "𝔘\0", "𝔘\0"),
        ("int64", -(2**63), -(2**63)),
        ("float64", 3, 3.0),
        ("float64", 1e-320, 1e-320),
        ("bool", False, False),
        ("date", "2020-02-29", date(2020, 2, 29)),
        ("timestamp", "2020-01-01", datetime(2020, 1, 1, tzinfo=UTC)),
        ("timestamp", "2020-01-01T01:00:00+01:00", datetime(2020, 1, 1, tzinfo=UTC)),
        ("timestamp", None, None),
    ],
)
def test_a_value_gets_its_dtype(dtype: str, given: Any, expected: Any) -> None:
    """A whole number is a float64 where one is declared; a time is in UTC."""
    found = field(dtype).parsed(given)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("dtype", "given", "said"),
    [
        ("string", 1, "1 is no string"),
        ("string", "\ud800", "'\\ud800' is no string"),
        ("int64", 2**63, "does not fit 64 bits"),
        ("int64", 1.0, "1.0 is no int64"),
        ("int64", True, "True is no int64"),
        ("float64", 10**400, "is no finite number"),
        ("float64", float("nan"), "nan is no finite number"),
        ("float64", [1], "[1] is no float64"),
        ("bool", 1, "1 is no bool"),
        ("date", "2019-02-29", "'2019-02-29' is no date"),
        ("timestamp", "0001-01-01T00:00:00+01:00", "is no timestamp; write it as"),
        ("timestamp", 5, "5 is no timestamp"),
    ],
)
def test_another_value_is_refused_by_name(dtype: str, given: Any, said: str) -> None:
    """The field is named, in the sentence and for a program."""
    with pytest.raises(RefusedField) as refused:
        field(dtype).parsed(given)
    assert refused.value.field == "sent"
    assert str(refused.value).startswith("sent: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("dtype", "declared", "within", "beyond", "said"),
    [
        ("int64", {"min": 1}, 1, 0, "sent: 0 is below 1; send a value within the declared bounds."),
        ("float64", {"max": 2}, 2, 2.5, "sent: 2.5 is above 2; send a value within the declared bounds."),
        ("float64", {"min": 0.5}, 0.5, -5, "sent: -5 is below 0.5; send a value within the declared bounds."),
        ("date", {"min": "2020-01-01"}, "2020-01-01", "2019-12-31", "sent: 2019-12-31 is below 2020-01-01"),
        ("timestamp", {"max": "2020-01-01"}, "2020-01-01", "2020-01-01T00:00:01", "00:00:01+00:00 is above 2020-01-01"),
        ("string", {"values": ["a", "b"]}, "a", "c", "sent: 'c' is not among its values; they are a, b."),
        ("int64", {"required": True}, 0, None, "sent is missing; it is required."),
    ],
)
def test_bounds_are_inclusive(dtype: str, declared: dict[str, Any], within: Any, beyond: Any, said: str) -> None:
    """What lies on a bound is taken, what lies beyond is refused with the bound as it is declared."""
    assert field(dtype, **declared).parsed(within) is not None
    with pytest.raises(RefusedField) as refused:
        field(dtype, **declared).parsed(beyond)
    assert said in str(refused.value)
