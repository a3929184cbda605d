"""A container's work without the container: only what the image holds, Redis, and data from an S3 server."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.projects import ROOT, run
from tests.redis_server import PASSWORD, redis_server
from tests.servers import exports, free_ports, s3
from tests.serving_project import LAUNCH, open_events, served_copy

pytestmark = pytest.mark.full

KEY = "a-key-of-some-length"
NEEDED = ("compiled/report.json", "compiled/register.json", "data/tables", "data/views", "data/verdicts/features.json")


def image(folder: Path) -> Path:
    """What the image would hold: the files that .dockerignore lets in, and the Dockerfile's own settings."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in, out = (
        [line[1:] for line in lines if line.startswith("!")],
        [line for line in lines[1:] if line and line[0] not in "!#*"],
    )
    for name in let_in:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = [Path(pattern).name for pattern in out] + ["__pycache__", "*.egg-info"]
            shutil.copytree(
                source, target, ignore=lambda _, names, i=ignored: {n for n in names for p in i if fnmatch.fnmatch(n, p)}
            )
        else:
            shutil.copy(source, target)
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    shutil.copy(ROOT / "deploy" / "feature_store.redis.yaml", folder / "feature_repo" / "feature_store.yaml")
    return folder


def test_a_container_fetches_fills_and_serves(tmp_path: Path) -> None:
    """`deploy/start materialize`, then `deploy/start serve` as another container: the champion predicts from Redis."""
    pushed = served_copy(tmp_path / "pushed")
    made = image(tmp_path / "image")
    [event] = open_events(pushed, 1)
    with redis_server(tmp_path / "redis") as redis, s3(pushed, first := free_ports(8)):
        port = free_ports(1)
        done = run(pushed, "dvc", "push", "-q", *NEEDED, "models/model.keras", "models/encoder.json")
        assert done.returncode == 0, done.stderr
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        known = {"PATH": path, "KNOWNAT_REDIS": f"127.0.0.1:{redis.port},password={PASSWORD}", "HOME": str(tmp_path)}
        known |= {"PYTHONPATH": str(made / "src")}  # the image installs its own copy
        environment = {**known, **exports(pushed, first), "KNOWNAT_API_KEY": KEY, "PORT": str(port)}
        filled = subprocess.run(
            ["deploy/start", "materialize"], cwd=made, env=environment, capture_output=True, text=True, check=False
        )
        assert filled.returncode == 0, filled.stderr
        other = image(tmp_path / "other")
        process = subprocess.Popen(["deploy/start", "serve"], cwd=other, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            answer = asked(process, port, event)
        finally:
            process.terminate()
            process.wait(20)
    assert answer.status_code == 200
    assert answer.json()["id"] == event


def asked(process: subprocess.Popen[str], port: int, event: str) -> httpx.Response:
    """The prediction of a stored event, and of one from raw fields, once the endpoint is ready."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        deadline = time.monotonic() + 90
        while not ready(client):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert client.post("/predict", json={"fields": LAUNCH}).status_code == 200
        return client.post("/predict", json={"id": event})


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False
