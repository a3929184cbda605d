"""Which modules of the package a module imports, directly or not, at its top or inside its functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"


def closure(module: str) -> set[str]:
    """The files under `src/` that running a module reads, as paths relative to the project."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or _file(name) is None:
            continue
        seen.add(name)
        parents = name.split(".")
        waiting += [".".join(parents[:i]) for i in range(1, len(parents))]
        waiting += _imported(_file(name))
    found = (_file(name) for name in seen)
    return {path.relative_to(SOURCE.parent).as_posix() for path in found if path is not None and path.read_text().strip()}


def _file(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def _imported(path: Path | None) -> list[str]:
    assert path is not None
    names: list[str] = []
    for node in _executed(ast.parse(path.read_text())):
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
