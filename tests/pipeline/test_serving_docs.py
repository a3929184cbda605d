"""docs/serving.md does what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.projects import ROOT
from tests.serving_project import served_copy

pytestmark = pytest.mark.full


def test_the_commands_of_the_document_run(tmp_path: Path) -> None:
    """Each line that begins with `$ `, in order, in one shell; each curl gets an answer, and the first what is printed there."""
    text = (ROOT / "docs" / "serving.md").read_text()
    lines = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    assert len(lines) == 5
    project, printed = served_copy(tmp_path / "project"), []
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KNOWNAT_")} | {"PATH": path}
    started = []
    try:
        for line in lines:
            if line.endswith(" &"):
                started.append(subprocess.Popen(["bash", "-c", f"exec {_exported(line[:-2])}"], cwd=project, env=environment))
                _wait(int((re.findall(r"--port (\d+)", line) or ["8000"])[0]))
                continue
            done = subprocess.run(["bash", "-c", line], cwd=project, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            printed.append(done.stdout)
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    answer, status, parity = json.loads(printed[0]), json.loads(printed[1]), printed[2]
    assert status["ready"]
    assert "mismatch" in parity
    shown = text.split("```\n{", 1)[1].split("\n```")[0]
    assert all(name in answer or name in answer["features"] for name in re.findall(r'^\s*\{?"(\w+)":', shown, re.MULTILINE))
    assert f'"probability": {answer["probability"]:.4f}'[:-2] in shown
    assert f'"campaign__goal_usd": {answer["contributions"]["campaign__goal_usd"]:.4f}'[:-2] in shown
    assert answer["features"]["category_history__ended_30d"]["value"] == 13


def _exported(line: str) -> str:
    return re.sub(r"^(\w+=\S+) ", r"env \1 ", line)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)
