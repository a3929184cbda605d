"""A full disk is told in one sentence, with its folder; nothing half-written is left."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from knownat.full_disk import told

WRITER = """
import pathlib, resource, sys
from knownat.console import run_stage
from knownat.files import write_text

def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    write_text(pathlib.Path("out/file.txt"), "x" * 5000)
    return {}

run_stage("write", main)
"""


def test_a_file_that_may_not_grow_is_told_and_not_left(tmp_path: Path) -> None:
    """A stage that meets the limit ends with exit 1 and one sentence; the file is as it was, without a draft beside it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file.txt").write_text("before")
    done = subprocess.run([sys.executable, "-c", WRITER], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "grows beyond what this process may write (`ulimit -f`)" in done.stderr
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["before"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_full_device_is_told_with_its_folder() -> None:
    """The kernel's own error, from the device that is always full."""
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left") as error:
        file.write(b"x")
    assert "No space is left on the disk of" in str(told(error.value))


def test_the_cause_is_found_behind_what_a_tool_made_of_it() -> None:
    """Spark and DuckDB wrap it into errors of their own, of which one tells the folder."""
    error = RuntimeError("Job aborted: java.io.IOException: No space left on device")
    assert str(told(error)).startswith("No space is left on the disk of /")
    wrapping = RuntimeError("the writer failed")
    wrapping.__cause__ = OSError(28, "No space left on device", "/some/where/file")
    assert str(told(wrapping)).startswith("No space is left on the disk of /some/where: ")


def test_another_error_is_not_taken_for_a_full_disk() -> None:
    """A missing file, say."""
    assert told(FileNotFoundError(2, "No such file or directory", "x")) is None
