"""What the gates found, for a terminal or a job's summary: how many hold, and each that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knownat import paths
from knownat.difference_text import plain
from knownat.files import read_json
from knownat.report.gates import Finding, gate
from knownat.report.numbers import count
from knownat.stages.validate import GATES


@dataclass(frozen=True)
class Tally:
    """A gate's findings; `findings` is None where it left no result, which is a failure."""

    name: str
    findings: tuple[Finding, ...] | None
    failures: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether nothing blocks."""
        return bool(self.findings) and not self.failures


def tallies() -> list[Tally]:
    """Every gate's result.json, in the order in which the gates stand."""
    return [_tally(name) for name in GATES]


def _tally(name: str) -> Tally:
    path = paths.result(name)
    if not path.exists():
        return Tally(name, None)
    judged = gate(name, read_json(path))
    return Tally(name, judged.findings, judged.of("blocked"), judged.of("warned"))


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
    if not tally.findings:
        return "no result, which counts as a failure; see the log of `dvc repro`"
    held = len(tally.findings) - len(tally.failures) - len(tally.warnings)
    parts = [f"{count(held)} of {count(len(tally.findings))} hold"]
    for found, one, several in ((tally.failures, "fails", "fail"), (tally.warnings, "warns", "warn")):
        parts += [f"{count(len(found))} {one if len(found) == 1 else several}"] if found else []
    return ", ".join(parts)


def details(tally: Tally) -> list[str]:
    """A sentence for each expectation that does not hold, what blocks first."""
    named = [("fails", finding) for finding in tally.failures] + [("warns", finding) for finding in tally.warnings]
    return [f"{word}: {_place(finding)}: {finding.reason} ({finding.found}; {finding.kind})" for word, finding in named]


def _place(finding: Finding) -> str:
    return f"{finding.asset}.{finding.column}" if finding.column else finding.asset
