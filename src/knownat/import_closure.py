"""Which modules of the package a module imports, directly or not: what a stage's `deps` in dvc.yaml must name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

STORES = ("knownat.offline_store.duckdb", "knownat.offline_store.spark")
LOADED_BY_NAME = {"knownat.stages.retrieve": STORES, "knownat.stages.compare": STORES}  # by Feast, which gets a class path


def needed(command: str, root: Path) -> set[str]:
    """The files under `src/` that a stage's command (`python -m MODULE …`) reads, those loaded by name included."""
    words = command.split()
    module = words[words.index("-m") + 1]
    return set().union(*(closure(name, root) for name in (module, *LOADED_BY_NAME.get(module, ()))))


def closure(module: str, root: Path) -> set[str]:
    """The files under `src/` that running a module reads, as paths relative to the project's `root`."""
    source = root / "src"
    seen: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(source, name)
        if name in seen or path is None:
            continue
        seen[name] = path
        parents = name.split(".")
        waiting += [".".join(parents[:i]) for i in range(1, len(parents))]
        waiting += _imported(path)
    return {path.relative_to(root).as_posix() for path in seen.values() if path.read_text(encoding="utf-8").strip()}


def _file(source: Path, module: str) -> Path | None:
    path = source.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def _imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in _executed(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "knownat"]


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _executed(node)
