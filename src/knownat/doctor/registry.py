"""The embedded Feast registry, which is state: it says what the tracked dump says, or is rebuilt."""

from __future__ import annotations

from collections.abc import Iterator

from knownat import paths
from knownat.doctor.findings import Finding


def findings() -> Iterator[Finding]:
    if not paths.REGISTRY_DUMP.exists():
        return  # nothing is registered yet
    from knownat.feature_store import configured, embedded_registry, registry_fault

    if not isinstance(configured("registry"), str) or "://" in configured("registry"):
        return  # a shared one, which others keep
    fault = registry_fault()
    if fault is None:
        return
    problem = f"The registry {embedded_registry()} {fault}."
    if paths.compiled("register").exists():
        yield Finding(problem, "Build it from the declaration anew.", rebuild)
    else:
        yield Finding(
            problem, f"`dvc pull` or `dvc repro compile`, since {paths.compiled('register')} is missing; then run this again."
        )


def rebuild() -> None:
    from knownat.declaration import Declaration
    from knownat.feature_store import apply_afresh

    apply_afresh(Declaration.read(paths.compiled("register")))
