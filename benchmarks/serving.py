"""Requests per second and latency of the endpoint, against a hello-world FastAPI app and Feast's own feature server.

Serves this checkout's reproduced model in copies of the workspace, from SQLite and from Redis, and asks with wrk (Debian's)
through one connection and through sixteen, all in one run. Needs wrk and redis-server. Writes a table:

    python benchmarks/serving.py [--seconds 8] [--folder docs/benchmarks]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from knownat import paths
from knownat.declaration import Declaration, stored_key
from knownat.derive.request import Request
from knownat.params import Params
from knownat.prediction import closing_views, event_view

ROOT = Path(__file__).parent.parent
COPIED = ("compiled", "data", "models", "feature_repo", "params.yaml", "dvc.yaml", "dvc.lock")
CONNECTIONS = (1, 16)
EVENTS = 200
PASSWORD = "benchmark-only"
FLOOR = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/hello")
async def hello():
    return {"hello": "world"}
"""
LUA = """\
local bodies = {{ {bodies} }}
local n = 0
request = function()
  n = n % #bodies + 1
  return wrk.format("{method}", {path}, {{["content-type"] = "application/json"}}, {body})
end
"""


@dataclass(frozen=True)
class Asked:
    """One kind of request, as a script of wrk's that goes through many of them."""

    name: str
    port: int
    script: str


@dataclass(frozen=True)
class Measured:
    name: str
    connections: int
    per_second: float
    p50: float
    p95: float
    p99: float
    failed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks")
    options, load = parser.parse_args(), os.getloadavg()[0]
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="knownat-benchmark-") as scratch, ExitStack() as servers:
        asked = list(started(Path(scratch), servers))
        found = [measured(kind, connections, options.seconds, Path(scratch)) for connections in CONNECTIONS for kind in asked]
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "serving.md").write_text(report(found, options.seconds, load), encoding="utf-8")


def started(scratch: Path, servers: ExitStack) -> Iterator[Asked]:
    """Start all servers, one after the other; what is asked of each."""
    declaration, service = Declaration.read(paths.compiled("report")), Params.load().service
    events, raw = open_events(declaration, service)
    (scratch / "floor.py").write_text(FLOOR)
    port = free_port()
    uvicorn = ["-m", "uvicorn", "floor:app", "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    servers.enter_context(running([*uvicorn, "--log-level", "error"], scratch, f"http://127.0.0.1:{port}/hello"))
    yield Asked("hello-world FastAPI (the floor)", port, lua("GET", ["/hello"]))
    by_id = [json.dumps({"id": event["id"]}) for event in events]
    by_fields = [json.dumps({"fields": fields}) for fields in raw]
    redis = free_port()
    command = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", ""]
    servers.enter_context(process(command, scratch))
    for name in ("SQLite", "Redis"):
        project = copied(scratch / name, redis if name == "Redis" else None)
        subprocess.run([sys.executable, "-m", "knownat.cli", "materialize"], cwd=project, check=True, capture_output=True)
        port, feast = free_port(), free_port()
        serve = ["-m", "knownat.cli", "serve", "--model", "checkout", "--port", str(port)]
        servers.enter_context(running(serve, project, f"http://127.0.0.1:{port}/v2/health/ready"))
        yield Asked(f"/predict by id, {name}", port, lua("POST", ["/predict"], by_id))
        yield Asked(f"/predict from raw fields, {name}", port, lua("POST", ["/predict"], by_fields))
        key = declaration.event.entity
        yield Asked(f"/features, {name}", port, lua("GET", [f"/features/{key}/{event['id']}" for event in events]))
        ask = [json.dumps({"feature_service": service, "entities": event["keys"], "full_feature_names": True}) for event in events]
        feast_serve = ["-m", "feast.cli.cli", "-c", "feature_repo", "serve", "--port", str(feast), "--no-access-log"]
        servers.enter_context(running(feast_serve, project, f"http://127.0.0.1:{feast}/health"))
        yield Asked(f"Feast's feature server, {name}", feast, lua("POST", ["/get-online-features"], ask))


def open_events(declaration: Declaration, service: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Stored events whose outcome is not known: their ids and keys, and their raw fields as a client would send them."""
    view = event_view(declaration)
    if view is None:
        raise SystemExit("The declaration has no view of the event that stores its entities' keys.")
    rows = pq.read_table(paths.VIEWS / view.name)
    for closing in closing_views(declaration):
        closed = pq.read_table(paths.VIEWS / closing.name, columns=[view.join_key])[view.join_key]
        rows = rows.filter(pc.invert(pc.is_in(rows[view.join_key], closed.combine_chunks())))
    chosen = rows.slice(0, EVENTS).to_pylist()
    keys = {view.join_key: view.join_key} | {declaration_key(entity): stored_key(entity) for entity in view.keys}
    events = [{"id": row[view.join_key], "keys": {key: [row[column]] for key, column in keys.items()}} for row in chosen]
    wanted = Request.of(declaration, service).fields
    table = pq.read_table(paths.TABLES / declaration.event.table)
    found = table.filter(pc.is_in(table[view.join_key], pc.cast(rows[view.join_key], "string").combine_chunks())).slice(0, EVENTS)
    return events, [{name: sent(row[name]) for name in wanted} for row in found.to_pylist()]


def declaration_key(entity: str) -> str:
    return f"{entity}_id"


def sent(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def copied(folder: Path, redis: int | None) -> Path:
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.db", "*.filled", "__pycache__"))
        else:
            shutil.copy(source, folder / name)
    if redis is not None:
        path = folder / "feature_repo" / "feature_store.yaml"
        connection = f'"127.0.0.1:{redis},password={PASSWORD}"'
        text = re.sub(
            r"online_store:\n(  .*\n)+", f"online_store:\n  type: redis\n  connection_string: {connection}\n", path.read_text()
        )
        path.write_text(text)
    return folder


@contextmanager
def process(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        try:
            yield child
        finally:
            child.terminate()
            child.wait(30)


@contextmanager
def running(arguments: Sequence[str], folder: Path, url: str) -> Iterator[None]:
    with process([sys.executable, *arguments], folder) as child:
        deadline = time.monotonic() + 120
        while not answers(url):
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(arguments)} does not answer:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lua(method: str, paths_: Sequence[str], bodies: Sequence[str] = ()) -> str:
    """A script that goes through the bodies, or through the paths."""
    texts = ", ".join(f"[==[{text}]==]" for text in (bodies or paths_))
    path, body = (f"[==[{paths_[0]}]==]", "bodies[n]") if bodies else ("bodies[n]", "nil")
    return LUA.format(bodies=texts, method=method, path=path, body=body)


def measured(kind: Asked, connections: int, seconds: int, folder: Path) -> Measured:
    """wrk's own figures, after a second of warming up."""
    script = folder / "script.lua"
    done = 'done = function(s, l, r) io.write(string.format("\\n%d %d %d %d %d %d", s.requests, s.duration, l:percentile(50), '
    done += "l:percentile(95), l:percentile(99), s.errors.status + s.errors.connect + s.errors.read + s.errors.timeout)) end\n"
    script.write_text(kind.script + done)
    command = ["wrk", "-t1", f"-c{connections}", "-s", str(script), f"http://127.0.0.1:{kind.port}"]
    subprocess.run([*command, "-d1s"], check=True, capture_output=True)
    said = subprocess.run([*command, f"-d{seconds}s"], check=True, capture_output=True, text=True).stdout
    requests, micros, p50, p95, p99, failed = map(int, said.strip().splitlines()[-1].split())
    return Measured(kind.name, connections, requests / (micros / 1e6), p50 / 1000, p95 / 1000, p99 / 1000, failed)


def report(found: Sequence[Measured], seconds: int, load: float) -> str:
    floors = {m.connections: m for m in found if "floor" in m.name}
    feast = {(m.name.split(", ")[1], m.connections): m for m in found if "Feast" in m.name}
    cores = len(os.sched_getaffinity(0))
    lines = [
        "# What an answer costs",
        "",
        f"`python benchmarks/serving.py`, one run on {cores} cores that the load generator (wrk) shares, load average {load:.1f}"
        f" when it began; {seconds} s for each line after a second of warming up, {EVENTS} different events in turn. Each server is"
        " one process: uvicorn with uvloop and httptools. *Of the floor*: requests per second against a FastAPI app that only says"
        " hello.",
        "",
        "| asked | connections | requests/s | of the floor | p50, ms | p95, ms | p99, ms | failed |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for m in found:
        share = m.per_second / floors[m.connections].per_second
        times = " | ".join(f"{time:.2f}" for time in (m.p50, m.p95, m.p99))
        lines.append(f"| {m.name} | {m.connections} | {m.per_second:,.0f} | {share:.2f} | {times} | {m.failed} |")
    ratios = [
        f"{m.per_second / feast[store, m.connections].per_second:.1f} × ({store}, {m.connections})"
        for m in found
        if m.name.startswith("/features") and (store := m.name.split(", ")[1])
    ]
    quick = next(m for m in found if m.name == "/predict by id, SQLite" and m.connections == 1)
    lines += [
        "",
        f"`/features` against Feast's own server for the same features over four entities: {', '.join(ratios)}."
        f" `/predict` by id on SQLite, one connection: p99 is {quick.p99 / floors[1].p50:.1f} × the floor's p50.",
        "",
        NOTES,
        "",
    ]
    return "\n".join(lines)


NOTES = """\
Where the rest of the time goes: a SQLite row that was read stays in memory until the file changes (one `stat` a request), so an
answer by id is the forward pass in NumPy, weighing each input's age and status, and writing it all as JSON; the floor's own
share is uvicorn's parsing and FastAPI's dispatch, of which `/predict` takes only the former. From raw fields, the declared
expressions come on top. On Redis, each feature view is a round trip of Feast's client in a thread."""


if __name__ == "__main__":
    main()
