"""All that `knownat doctor` looks at, and how what it finds is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from knownat.doctor import cache, drafts, locks, online_store, orphans, pipeline, registry, remote
from knownat.doctor.findings import Finding
from knownat.errors import KnownatError

# what was looked at → who looks; in an order in which each may rely on what those before it have mended
CHECKS: Mapping[str, Callable[[], Iterator[Finding]]] = {
    "stages that have outlived DVC": orphans.findings,
    "locks": locks.findings,
    "half-written files": drafts.findings,
    "dvc.yaml and dvc.lock": pipeline.findings,
    "the cache": cache.findings,
    "the registry": registry.findings,
    "the online store": online_store.findings,
}
# the same of what is read over the network, whole
REMOTE: Mapping[str, Callable[[], Iterator[Finding]]] = {"the remote": remote.findings}


def examine(checks: Mapping[str, Callable[[], Iterator[Finding]]] = CHECKS) -> Iterator[Finding]:
    """Everything that is wrong; what cannot be examined is wrong as well."""
    for subject, check in checks.items():
        try:
            yield from check()
        except KnownatError as error:
            yield Finding(f"This kept the doctor from looking at {subject}: {error}", "Mend that first.")


def mend(findings: Iterable[Finding]) -> Iterator[str]:
    """Do what can be done, and say of each what was done or why not."""
    for finding in findings:
        if finding.fix is None:
            continue
        try:
            finding.fix()
            yield f"{finding.problem} Done: {finding.remedy}"
        except (KnownatError, OSError) as error:
            yield f"{finding.problem} Not done: {error}"
