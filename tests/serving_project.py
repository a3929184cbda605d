"""The worked case, served: a copy of this repository's reproduced workspace, and the real `knownat serve` in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pyarrow.parquet as pq
import pytest
import yaml

from tests.projects import ROOT
from tests.servers import free_ports

LAUNCH = {
    "name": "A tale of two kites", "main_category": "Games", "category": "Video Games", "country": "US",
    "deadline": "2018-02-02", "launched_at": "2018-01-03T09:00:00Z", "usd_goal_real": 8000,
}  # fmt: skip
NEEDED = ("compiled", "data", "models", "feature_repo", "params.yaml", "dvc.yaml", "dvc.lock", "champion.json")


def served_copy(folder: Path) -> Path:
    """What the endpoint needs of this repository's workspace, with a registry and an online store of its own."""
    if not (ROOT / "models" / "model.keras").exists() or not (ROOT / "data" / "views").exists():
        pytest.skip("this checkout is not reproduced; run `dvc repro` first")
    folder.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.db", "*.filled", "__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / ".dvc" / "cache").symlink_to(ROOT / ".dvc" / "cache")
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    return folder


def change_params(folder: Path, **serving: Any) -> None:
    """Set keys of params.yaml's `serving`."""
    path = folder / "params.yaml"
    content = yaml.safe_load(path.read_text())
    content["serving"] |= serving
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@dataclass
class Served:
    """A running endpoint: its process, and a client that knows where it is."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client
    log: Path

    def predict(self, **body: Any) -> httpx.Response:
        return self.client.post("/predict", json=body)

    @property
    def is_ready(self) -> bool:
        return self.client.get("/v2/health/ready").status_code == 200

    def until(self, question: Callable[[], bool], seconds: float) -> None:
        """Wait for what must become true within so many seconds."""
        deadline = time.monotonic() + seconds
        while not question():
            assert time.monotonic() < deadline, f"not within {seconds} s; {self.log.read_text()[-2000:]}"
            time.sleep(0.05)


@contextmanager
def serving(
    folder: Path, *options: str, env: Mapping[str, str] | None = None, key: str | None = None, wait: bool = True
) -> Iterator[Served]:
    """`knownat serve` in a project, ready; ended by SIGTERM, after which it must have ended well."""
    port = free_ports(1)
    command = [sys.executable, "-m", "knownat.cli", "serve", "--port", str(port), "--model", "checkout", *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KNOWNAT_")} | dict(env or {})
    log = folder / f"serve-{port}.log"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with log.open("w") as output, httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=output, stdout=output, text=True)
        served = Served(process, f"http://127.0.0.1:{port}", client, log)
        try:
            served.until(lambda: _answers(served, wait), 90)
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) in {0, -signal.SIGTERM}, log.read_text()[-2000:]


def _answers(served: Served, ready: bool) -> bool:
    assert served.process.poll() is None, served.log.read_text()[-2000:]
    try:
        return served.is_ready if ready else served.client.get("/v2/health/live").status_code == 200
    except httpx.TransportError:
        return False


def open_events(folder: Path, count: int) -> list[str]:
    """Ids of stored campaigns whose outcome is not known."""
    views = folder / "data" / "views"
    closed = set(pq.read_table(views / "outcome")["project_id"].to_pylist())
    return [key for key in pq.read_table(views / "campaign")["project_id"].to_pylist() if key not in closed][:count]


def closed_event(folder: Path) -> str:
    return str(pq.read_table(folder / "data" / "views" / "outcome")["project_id"][0].as_py())


def stored(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())
