"""What the gates found: counts for each asset, what failed first, and all of it to look up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from knownat.report.numbers import count, listed, significant

Status = Literal["blocked", "warned", "not compared", "held"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Finding:
    asset: str
    column: str
    reason: str
    status: Status
    found: str
    kind: str


@dataclass(frozen=True)
class Asset:
    """`document`: where its Data Docs are, relative to the page."""

    name: str
    findings: tuple[Finding, ...]
    document: str

    def number(self, status: Status) -> int:
        return sum(f.status == status for f in self.findings)


@dataclass(frozen=True)
class Gate:
    name: str
    assets: tuple[Asset, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What needs a look first."""
        found = [f for asset in self.assets for f in asset.findings]
        return tuple(sorted(found, key=lambda f: STATUSES.index(f.status)))

    @property
    def uncompared(self) -> dict[str, int]:
        """Why something was not compared, and how often."""
        return dict(Counter(f.found.rstrip(".") for f in self.of("not compared")))

    def of(self, status: Status) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.status == status)


def gate(name: str, results: Sequence[dict[str, Any]], documents: Collection[str] = ()) -> Gate:
    """A gate's result.json, by asset, in the order of judgement; `documents` are the Data Docs there are."""
    findings = [
        Finding(r["asset"], r["column"] or "", r["reason"], status(r), evidence(r["found"]), r["expectation"]["type"])
        for r in results
    ]
    assets = dict.fromkeys(f.asset for f in findings)
    where = {asset: f"gates/{name}/{asset}.html" for asset in assets}
    return Gate(
        name,
        tuple(Asset(a, tuple(f for f in findings if f.asset == a), where[a] if where[a] in documents else "") for a in assets),
    )


def status(result: dict[str, Any]) -> Status:
    """What a result means for the gate; what does not say how severe it is blocks."""
    if result["success"] is None:
        return "not compared"
    if result["success"]:
        return "held"
    return "warned" if result.get("severity") == "warn" else "blocked"


def evidence(found: str) -> str:
    """What an expectation found, in words where it is Great Expectations' JSON and as it stands where it is not."""
    try:
        facts = json.loads(found)
    except ValueError:
        return found
    if not isinstance(facts, dict):
        return found
    parts = []
    if "observed_value" in facts:
        parts.append(_value(facts["observed_value"]))
    if "unexpected_count" in facts:
        of = f" of {_value(facts['element_count'])}" if "element_count" in facts else ""
        parts.append(f"{_value(facts['unexpected_count'])}{of} unexpected")
    if facts.get("missing_count"):
        parts.append(f"{_value(facts['missing_count'])} missing")
    examples = list(dict.fromkeys(_value(v) for v in facts.get("partial_unexpected_list", []) if v is not None))
    if examples:
        parts.append(f"such as {listed(examples)}")
    return "; ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, list):
        return listed([_value(item) for item in value])
    return str(value)
