"""A real Redis with a password, and a project whose online store it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.projects import run
from tests.servers import free_ports

PASSWORD = "not-a-number-1"  # Feast takes what looks like JSON for JSON


@dataclass
class Redis:
    """`save`: whether what it holds outlives it."""

    port: int
    folder: Path
    save: bool = False
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kept = ["--appendonly", "yes"] if self.save else ["--save", ""]
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--requirepass",
            PASSWORD,
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen([*command, *kept], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while b"PONG" not in self._asked("ping"):
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def _asked(self, *words: str) -> bytes:
        command = ["redis-cli", "-p", str(self.port), "-a", PASSWORD, "--no-auth-warning", *words]
        return subprocess.run(command, capture_output=True, check=False).stdout


@contextmanager
def redis_server(folder: Path, *, save: bool = False) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server here (apt-get install redis-server)")
    folder.mkdir(exist_ok=True)
    redis = Redis(free_ports(1), folder, save)
    redis.start()
    try:
        yield redis
    finally:
        redis.signal(18)  # SIGCONT, where a test has paused it
        redis.kill()


def on_redis(project: Path, port: int, password: str = PASSWORD) -> None:
    """Set the project's online store."""
    path = project / "feature_repo" / "feature_store.yaml"
    store = f'online_store:\n  type: redis\n  connection_string: "127.0.0.1:{port},password={password}"\n'
    path.write_text(re.sub(r"online_store:\n(  .*\n)+", store, path.read_text()))


def filled(project: Path) -> None:
    done = run(project, "knownat", "materialize")
    assert done.returncode == 0, done.stderr
