"""What a regular expression may hold, and that each engine here finds the same in a text."""

from __future__ import annotations

import re
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from knownat.patterns import is_quick, portable_pattern

PIECES = [*"abX 1é.^$()|*+?{}[]-_\n", "\\d", "\\w", "\\.", "\\$", "[a-c]", "[^a]", "[^ ]", "{2}", "{1,3}", "{2,}", "{999}"]
PATTERNS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)
TEXTS = st.text(st.sampled_from("abcX1 é.\n_-\r𝔘"), max_size=12)


def portable(pattern: str, end: str = "\\z") -> str:
    """The pattern as engines get it; hypothesis looks for another where it is refused."""
    with suppress(ValueError):
        return portable_pattern(pattern, end)
    assume(False)
    raise AssertionError


@given(PATTERNS, TEXTS)
def test_python_finds_and_replaces_what_re2_does(pattern: str, text: str) -> None:
    """A pattern that Python's engine may take gives the same in both."""
    linear = portable(pattern)
    assume(is_quick(pattern))
    quick, given_text = re.compile(portable(pattern, "\\Z"), re.ASCII), pa.array([text])
    assert (quick.search(text) is not None) == pc.match_substring_regex(given_text, pattern=linear)[0].as_py()
    assert quick.sub("<>", text) == pc.replace_substring_regex(given_text, pattern=linear, replacement="<>")[0].as_py()


@given(st.lists(st.sampled_from([*PIECES, "(a", ")", "){999}", "){30,}", "a{9}"]), max_size=12).map("".join))
def test_what_is_offered_is_not_too_much_for_re2(pattern: str) -> None:
    """A pattern that a declaration may hold never fails on a request."""
    pc.match_substring_regex(pa.array([""]), pattern=portable(pattern))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("((a{30}){30}){30}", "repeats more than 1000"),
        ("(ab){501}", "repeats more than 1000"),
        ("(){999}" * 2 + "((){500}){3}", "repeats more than 1000"),
        ("x{999}" * 11, "parts, its counts written out"),
    ],
)
def test_counts_that_multiply_are_refused(pattern: str, said: str) -> None:
    """What RE2 has no room for is refused when it is declared, not when it is asked."""
    with pytest.raises(ValueError, match=said):
        portable_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (" +", True), ("[(](a|b)[)] *$", True), ("^[^*+?]*b", True), ("\\+\\*a{3}", True), ("abc", True), ("(a|b)c", True),
        ("(a|a)*$", False), ("(a|aa){9}$", False), ("a*a*$", False), ("a+?", False), ("(a+)", True), ("(a+)+", False),
        ("a*", False), ("b?", False),
    ],
)  # fmt: skip
def test_one_repetition_of_one_character_is_quick(pattern: str, expected: bool) -> None:
    """Choices that multiply, and what fits where there is nothing, are left to RE2."""
    assert is_quick(pattern) is expected
