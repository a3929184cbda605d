"""What the gates found, for a terminal or a job's summary: how many hold, and each that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knownat import paths
from knownat.difference_text import plain
from knownat.files import read_json
from knownat.gates import GATES
from knownat.report.gates import STATUSES, Finding, Gate, Status, gate
from knownat.report.numbers import count


@dataclass(frozen=True)
class Tally:
    """A gate's findings; `gate` is None where it left no result, which is a failure."""

    name: str
    gate: Gate | None

    @property
    def is_open(self) -> bool:
        """Whether nothing blocks."""
        return self.gate is not None and bool(self.gate.findings) and not self.gate.of("blocked")


def tallies() -> list[Tally]:
    """Every gate's result.json, in the order in which the gates stand."""
    results = {name: paths.result(name) for name in GATES}
    return [Tally(name, gate(name, read_json(path)) if path.exists() else None) for name, path in results.items()]


def as_text(found: Sequence[Tally]) -> str:
    lines: list[str] = []
    for tally in found:
        lines += [f"{tally.name}: {summary(tally)}", *(f"  {line}" for line in details(tally))]
    return "\n".join(lines)


def as_markdown(found: Sequence[Tally]) -> str:
    lines = ["### Gates", ""]
    for tally in found:
        lines += [f"**{plain(tally.name)}**: {summary(tally)}", "", *(f"- {plain(line)}" for line in details(tally)), ""]
    return "\n".join(lines)


def summary(tally: Tally) -> str:
    """38 of 40 hold, 1 fails, 1 warns"""
    if tally.gate is None or not tally.gate.findings:
        return "no result, which counts as a failure; see the log of `dvc repro`"
    number = {status: len(tally.gate.of(status)) for status in STATUSES}
    parts = [f"{count(number['held'])} of {count(sum(number.values()))} hold"]
    verbs: dict[Status, str] = {"blocked": "fail", "warned": "warn"}
    for status, verb in verbs.items():
        parts += [f"{count(number[status])} {verb}{'s' if number[status] == 1 else ''}"] if number[status] else []
    parts += [f"{count(number['not compared'])} not compared"] if number["not compared"] else []
    return ", ".join(parts)


def details(tally: Tally) -> list[str]:
    """A sentence for each expectation that does not hold, what blocks first."""
    if tally.gate is None:
        return []
    words: dict[Status, str] = {"blocked": "fails", "warned": "warns", "not compared": "not compared"}
    named = [(word, finding) for status, word in words.items() for finding in tally.gate.of(status)]
    return [f"{word}: {_place(finding)}: {finding.reason} ({finding.found}; {finding.kind})" for word, finding in named]


def _place(finding: Finding) -> str:
    return f"{finding.asset}.{finding.column}" if finding.column else finding.asset
