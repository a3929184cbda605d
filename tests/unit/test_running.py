"""A stage runs alone in its checkout, and ends with the DVC that started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.projects import run

# a stage that says so when it runs, and has started a process of its own
STAGE = """
import pathlib, subprocess, sys, time
from knownat.console import run_stage

def main(*arguments):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    pathlib.Path("running").write_text(f"{child.pid}")
    time.sleep(float(sys.argv[2]))
    child.kill()
    return {}

run_stage("sleep", main, *sys.argv[1:2])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stage.py").write_text(STAGE)
    return tmp_path


@pytest.fixture
def sleeping(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The stage `sleep one` in the folder, started by a person."""
    process = subprocess.Popen([sys.executable, "stage.py", "one", "120"], cwd=folder, env=by_hand())
    until((folder / "running").exists)
    yield process
    process.kill()
    process.wait()
    psutil.Process(int((folder / "running").read_text())).kill()


def by_hand() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}


def until(is_so: object, seconds: float = 60) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_over(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_second_process_of_a_stage_is_refused(folder: Path, sleeping: subprocess.Popen[bytes]) -> None:
    """In one sentence that says which process runs; it ends with exit 1."""
    second = run(folder, sys.executable, "stage.py", "one", "0")
    assert second.returncode == 1
    assert second.stderr == (
        f"error: The stage sleep one already runs in this folder, as process {sleeping.pid}; wait for it, or end it.\n"
    )


@pytest.mark.usefixtures("sleeping")
def test_other_stages_and_other_checkouts_run_beside_it(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The lock is of a stage with its arguments, and of a folder."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(folder / "stage.py", elsewhere)
    assert run(elsewhere, sys.executable, "stage.py", "one", "0").returncode == 0
    before = (folder / "running").read_text()
    assert run(folder, sys.executable, "stage.py", "two", "0").returncode == 0
    (folder / "running").write_text(before)


def test_a_killed_process_frees_its_stage(folder: Path) -> None:
    """Without anybody cleaning up."""
    process = subprocess.Popen([sys.executable, "stage.py", "one", "120"], cwd=folder, env=by_hand())
    until((folder / "running").exists)
    psutil.Process(int((folder / "running").read_text())).kill()
    process.kill()
    process.wait()
    assert run(folder, sys.executable, "stage.py", "one", "0").returncode == 0


@pytest.mark.parametrize("after", ["", " && true"])
def test_a_stage_ends_with_the_dvc_that_started_it(folder: Path, after: str) -> None:
    """Be DVC its parent, or the parent of a shell in between: kill -9 of DVC ends the stage within seconds."""
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    assert run(folder, "dvc", "init", "-q").returncode == 0
    (folder / "dvc.yaml").write_text(f"stages:\n  one:\n    cmd: {sys.executable} stage.py one 120{after}\n    outs: [running]\n")
    dvc = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], cwd=folder, env=by_hand(), stdout=subprocess.DEVNULL)
    until((folder / "running").exists)
    stage = psutil.Process(int((folder / ".dvc/tmp/knownat.sleep%20one.lock").read_text()))
    child = int((folder / "running").read_text())
    assert dvc.pid in {ancestor.pid for ancestor in stage.parents()}
    time.sleep(2)
    assert stage.is_running()
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    until(lambda: is_over(stage.pid), 10)
    psutil.Process(child).kill()


def test_a_stage_whose_dvc_is_gone_does_not_start(folder: Path) -> None:
    """It says so: its outputs would be nobody's."""
    environment = by_hand() | {"DVC_STAGE": "one"}
    done = subprocess.run(
        [sys.executable, "stage.py", "one", "0"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "error: The DVC that started the stage sleep one has ended; run `dvc repro` again.\n"
