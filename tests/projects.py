"""Projects for tests: a copy of a declaration with this repository's pipeline, and what is run in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]


def project(folder: Path, declaration: Path) -> Path:
    """A fresh repository with the declaration, expectations and params of a folder, and the pipeline of this one."""
    shutil.copytree(declaration, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "registry.json"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("definitions.py", "feature_store.yaml"):
        shutil.copy(ROOT / "feature_repo" / name, folder / "feature_repo" / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    (folder / ".dvc").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    commit(folder)
    return folder


def copied(made: Path, folder: Path) -> Path:
    """A copy of a project, cache and all; state is left behind, since it names its folder."""
    return Path(shutil.copytree(made, folder, symlinks=True, ignore=shutil.ignore_patterns("registry.db", "online.db")))


def commit(folder: Path) -> None:
    subprocess.run([*GIT, "add", "-A"], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "test"], cwd=folder, check=True)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run one of this environment's commands in a folder; the caller judges how it ends."""
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "KNOWNAT_DEBUG"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [program or command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


def reproduced(folder: Path, *options: str) -> str:
    """What `dvc repro` says when it succeeds."""
    done = run(folder, "dvc", "repro", *options)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def renamed(folder: Path, names: list[str]) -> dict[str, str]:
    """Give every name another one in all of a folder's YAML, JSON, SQL and CSV files; `data` files follow suit.

    The new names sort the other way round, so that whatever goes by the alphabet shows.
    """
    new = {name: f"x{len(names) - position:02d}" for position, name in enumerate(names)}
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![A-Za-z0-9])({alternatives})(?![A-Za-z0-9])")
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".yaml", ".json", ".sql", ".csv"}):
        text = path.read_text()
        if path.suffix == ".csv":
            header, _, rows = text.partition("\n")
            path.write_text(pattern.sub(lambda m: new[m.group()], header) + "\n" + rows)
        else:
            path.write_text(pattern.sub(lambda m: new[m.group()], text))
    for path in sorted(folder.rglob("*"), key=lambda p: -len(p.parts)):
        if path.is_file() and path.stem in new and path.suffix in {".yaml", ".json", ".sql", ".csv", ".parquet"}:
            path.rename(path.with_stem(new[path.stem]))
    return new
