"""From a source to a local file: a generator is run, a local file is used in place, a remote one is downloaded."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from knownat.download import download, shown
from knownat.errors import KnownatError
from knownat.params import Source
from knownat.parquet import content_hash


def fetch(source: Source, table: str, folder: Path) -> Path:
    """The source's file; what has to be made or downloaded goes to `folder`.

    A remote source must be pinned by its sha256, any other may be; KnownatError if it cannot be had or is another.
    """
    if source.is_remote:
        path = folder / "download"
        download(source.uri, path, table)
    else:
        path = _generate(source, table, folder / "generated.csv") if source.is_generator else _local(source.uri, table)
    if source.is_remote or source.sha256:
        _check_pin(source, table, content_hash(path))
    return path


def _check_pin(source: Source, table: str, seen: str) -> None:
    name, option = shown(source.uri), f"sources.{table}.sha256"
    if source.sha256 is None:
        raise KnownatError(f"{name} is not pinned; if its content is the right one, set {option}={seen}.")
    if source.sha256 != seen:
        raise KnownatError(
            f"{name} has changed: its sha256 is {seen}, {option} says {source.sha256}; "
            f"if the new content is the right one, set {option}={seen}."
        )


def _local(uri: str, table: str) -> Path:
    path = Path(uri)
    try:
        if stat.S_ISREG(path.stat().st_mode):
            path.open("rb").close()
            return path
    except FileNotFoundError:
        raise KnownatError(f"{uri} does not exist; put the file there or set sources.{table}.uri to where it is.") from None
    except OSError as error:
        raise KnownatError(f"{uri} cannot be read ({error.strerror}); mend that or set sources.{table}.uri.") from error
    kind = "a folder" if path.is_dir() else "no ordinary file"
    raise KnownatError(f"{uri} is {kind}; set sources.{table}.uri to a CSV, CSV.gz, zip or Parquet file.")


def _generate(source: Source, table: str, output: Path) -> Path:
    """What the generator script writes; its own messages are shown only if it fails."""
    script = _local(source.uri, table)
    if source.rows is None or source.seed is None:
        raise KnownatError(f"{source.uri} is a generator script: set sources.{table}.rows and sources.{table}.seed.")
    command = [sys.executable, str(script), "--rows", str(source.rows), "--seed", str(source.seed)]
    run = subprocess.run([*command, "--output", str(output)], capture_output=True, text=True, errors="replace", check=False)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise KnownatError(f"The generator {source.uri} failed with exit code {run.returncode} ({last}); mend the script.")
    if not output.is_file():
        raise KnownatError(f"The generator {source.uri} wrote nothing to its --output; mend the script.")
    return output
