"""Regular expressions that a declaration may hold: what each means in every engine, and how costly it may become."""

from __future__ import annotations

import re
import string

# look-around and possessive repetition, which RE2 lacks; Java's intersection of classes
UNLIKE = {"(?", "*+", "++", "?+", "}+", "&&"}
EMPTY_CLASS = re.compile(r"\[\^?\]")
COUNTED = re.compile(r"\{\d{1,3}(,(\d{1,3})?)?\}", re.ASCII)
ONE_CHARACTER = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]", re.DOTALL)  # escaped, or a class
PARTS = re.compile(r"\{(\d+)(?:,(\d*))?\}|.", re.ASCII | re.DOTALL)
MOST_REPEATED = 1_000  # parts: RE2's own limit of counts within counts
MOST_PARTS = 10_000  # well within RE2's memory, whatever the parts are


def portable_pattern(pattern: str | None, end: str = "\\z") -> str:
    """A regular expression that means the same to Java and to RE2; refuses what does not.

    `$` becomes the very end (`end`: an engine's spelling of it; Java's `$` also matches before a last line break),
    `.` all but a line feed.
    """
    if pattern is None:
        raise ValueError("the pattern must be written out as a text")
    out, position, in_class = [], 0, False
    while position < len(pattern):
        char, ahead = pattern[position], pattern[position : position + 2]
        if ahead in UNLIKE or (in_class and char == "[") or (char == "[" and EMPTY_CLASS.match(pattern, position)):
            raise ValueError(f"the pattern's '{ahead}' does not mean the same in both engines; write it without")
        if char < " " and char not in "\t\r\n":
            raise ValueError(f"the pattern holds the control character {char!r}; double the backslash before a letter")
        if char == "{" and not in_class and not COUNTED.match(pattern, position):
            raise ValueError("the pattern's '{' does not mean the same in both engines; write \\{ or a count such as {2,5}")
        if char == "\\":
            out.append(_escaped(ahead))
            position += 2
            continue
        in_class = (in_class or char == "[") and char != "]"
        out.append({"$": end, ".": "[^\\n]"}.get(char, char) if not in_class else char)
        position += 1
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern is no regular expression ({error}); mend it") from error
    _refuse_endless(pattern)
    return "".join(out)


def is_quick(pattern: str) -> bool:
    """Whether an engine that backtracks needs at most quadratic time: one repetition, of one character, or none.

    Nor may it fit where there is nothing, which Python replaces in its own way.
    """
    skeleton = ONE_CHARACTER.sub("a", pattern)
    repetitions = re.findall(r"[*+?{]", skeleton)
    return len(repetitions) <= 1 and not re.search(r"\)[*+?{]", skeleton) and re.match(pattern, "") is None


def _escaped(pair: str) -> str:
    if pair in {"\\d", "\\w"} or pair[1:] in set(string.punctuation):
        return pair
    raise ValueError(f"the pattern's '{pair}' does not mean the same in both engines; write it as a class such as [ ]")


def _refuse_endless(pattern: str) -> None:
    """Refuse what RE2 has no room for, once its counts are written out."""
    sizes, last = [0], 0  # of the open groups, and of what a count would repeat
    for part in PARTS.finditer(ONE_CHARACTER.sub("a", pattern)):
        if part[1]:
            times = max(int(part[1]), int(part[2] or 0))
            sizes[-1] += last * (times - 1)
            last *= times
            if last > MOST_REPEATED:
                raise ValueError(f"the pattern's '{part[0]}' repeats more than {MOST_REPEATED} parts in all; write a smaller count")
        elif part[0] == "(":
            sizes.append(0)
        elif part[0] not in {"*", "+", "?"}:
            last = max(sizes.pop(), 1) if part[0] == ")" else 1
            sizes[-1] += last
    if sizes[0] > MOST_PARTS:
        raise ValueError(f"the pattern has {sizes[0]} parts, its counts written out; at most {MOST_PARTS} are offered")
