"""Real servers for tests, started as a person would start them."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.projects import run


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    draw = random.Random(os.getpid())
    while True:
        first = draw.randrange(20000, 30000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@contextmanager
def s3(project: Path, port: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`knownat s3` in a project, up; ended by Ctrl-C, after which it must have said goodbye."""
    command = [sys.executable, "-m", "knownat.cli", "s3", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        said = process.stderr.readline()
        assert "is up" in said, said + process.stderr.read()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def stopped_hard(process: subprocess.Popen[str]) -> None:
    """Kill it at once; its server dies with it."""
    process.kill()
    process.wait(10)
    time.sleep(0.5)


def exports(project: Path, port: int) -> dict[str, str]:
    """What `knownat s3 --env` tells a shell."""
    done = run(project, "knownat", "s3", "--port", str(port), "--env")
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"export (\w+)=(\S+)", done.stdout))
