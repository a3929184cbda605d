"""Fetching a source: what arrives is what was pinned, or one sentence says why not."""

import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from knownat.errors import KnownatError
from knownat.params import Source
from knownat.remote import Bucket
from knownat.s3 import serving
from knownat.sources import fetch
from tests.servers import free_ports

CONTENT = b"a,b\n1,2\n"
HASH = hashlib.sha256(CONTENT).hexdigest()


def source(uri: object, **settings: Any) -> Source:
    return Source(uri=str(uri), observed_at="2020-01-01", **settings)


def complaint(folder: Path, uri: object, **settings: Any) -> str:
    with pytest.raises(KnownatError) as error:
        fetch(source(uri, **settings), "visits", folder)
    assert "\n" not in str(error.value)
    return str(error.value)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path: /ok, /short (the connection ends early), /flaky (once 503), or a status."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.seen.append(path)
        if path == "/flaky" and self.seen.count(path) == 1:
            self.send_error(503)
        elif path in ("/ok", "/short", "/flaky"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) + (path == "/short")))
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self.send_error(int(path[1:]))

    def log_message(self, format: str, *args: object) -> None:
        """Tests say what they have to say themselves."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_local_file_is_used_in_place(tmp_path: Path) -> None:
    """The path that comes back is the file itself: nothing is copied, and no pin is asked for."""
    (tmp_path / "x.csv").write_bytes(CONTENT)
    assert fetch(source(tmp_path / "x.csv"), "visits", tmp_path / "folder") == tmp_path / "x.csv"


def test_a_local_file_may_be_pinned(tmp_path: Path) -> None:
    """A local file whose content is not the pinned one is refused like a remote one."""
    (tmp_path / "x.csv").write_bytes(CONTENT)
    assert f"set sources.visits.sha256={HASH}" in complaint(tmp_path, tmp_path / "x.csv", sha256="0" * 64)


def test_a_missing_local_file_is_one_sentence(tmp_path: Path) -> None:
    """A path where nothing is, or where a folder is, is named together with the option to set."""
    assert complaint(tmp_path, "no/such.csv").startswith("no/such.csv does not exist; put the file there or set sources.vi")
    assert f"{tmp_path} is a folder; set sources.visits.uri" in complaint(tmp_path, tmp_path)


def test_a_generator_is_run_with_rows_and_seed(tmp_path: Path) -> None:
    """The script is called with --rows, --seed and --output, and what it writes is the source."""
    script = tmp_path / "make.py"
    script.write_text("import sys; open(sys.argv[6], 'w').write(' '.join(sys.argv[1:6]))")
    path = fetch(source(script, rows=3, seed=5), "visits", tmp_path)
    assert path.read_text() == "--rows 3 --seed 5 --output"


def test_a_generator_that_fails_says_its_last_word(tmp_path: Path) -> None:
    """Exit code and last line of a failing script's standard error stand in the one sentence."""
    script = tmp_path / "make.py"
    script.write_text("import sys; print('first', file=sys.stderr); raise ValueError('too few rows')")
    sentence = complaint(tmp_path, script, rows=3, seed=5)
    assert "failed with exit code 1 (ValueError: too few rows)" in sentence
    script.write_text("")
    assert "wrote nothing to its --output" in complaint(tmp_path, script, rows=3, seed=5)
    assert "set sources.visits.rows and sources.visits.seed" in complaint(tmp_path, script)


def test_a_pinned_download_is_the_pinned_content(tmp_path: Path, server: str) -> None:
    """A remote file without an ETag arrives whole where its sha256 is the pinned one."""
    assert fetch(source(f"{server}/ok", sha256=HASH), "visits", tmp_path).read_bytes() == CONTENT


def test_a_download_without_the_right_pin_prints_the_hash_it_saw(tmp_path: Path, server: str) -> None:
    """Unpinned or other content is refused with the hash that was seen and the option that pins it, and no secret."""
    for pin in (None, "0" * 64):
        sentence = complaint(tmp_path, f"{server}/ok?signature=secret", sha256=pin)
        assert f"set sources.visits.sha256={HASH}" in sentence
        assert "secret" not in sentence


@pytest.mark.parametrize(("path", "requests"), [("/404", 1), ("/403", 1), ("/500", 3), ("/short", 3)])
def test_a_server_that_does_not_give_the_file_is_one_sentence(tmp_path: Path, server: str, path: str, requests: int) -> None:
    """A refusal is final, a failure or a cut connection is tried three times; either ends in one sentence."""
    assert f"{server}{path} cannot be fetched" in complaint(tmp_path, server + path, sha256=HASH)
    assert len(Handler.seen) == requests


def test_a_passing_failure_is_overcome(tmp_path: Path, server: str) -> None:
    """A server that fails once and then answers costs a second attempt and nothing else."""
    assert fetch(source(f"{server}/flaky", sha256=HASH), "visits", tmp_path).read_bytes() == CONTENT


def test_a_dead_server_ends_in_one_sentence(tmp_path: Path) -> None:
    """Where nobody listens, and for a scheme that nobody knows, the sentence comes at once and hides the password."""
    sentence = complaint(tmp_path, "http://me:secret@127.0.0.1:1/x.csv", sha256=HASH)
    assert sentence.startswith("http://127.0.0.1:1/x.csv cannot be fetched")
    assert "secret" not in sentence
    assert "neither https://, http:// nor s3://" in complaint(tmp_path, "gs://bucket/x.csv", sha256=HASH)


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_silent_server_ends_in_one_sentence_within_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """A server that takes the connection and never answers does not hang the stage."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        s3_environment(monkeypatch, address)
        started = time.monotonic()
        uri = f"{address}/x.csv" if scheme == "http" else "s3://bucket/x.csv"
        assert "cannot be fetched" in complaint(tmp_path, uri, sha256=HASH)
        assert time.monotonic() - started < 32


def s3_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a real S3 server on ports of its own, with an empty versioned bucket."""
    port = free_ports(8)
    s3_environment(monkeypatch, f"http://127.0.0.1:{port}")
    asked = Bucket("bucket", endpoint=f"http://127.0.0.1:{port}", access_key_id="key", secret_access_key="secret")
    with serving(tmp_path / "store", port, asked, ["bucket"]):
        yield asked.client()


@pytest.mark.full
def test_an_s3_version_is_fetched_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: Any) -> None:
    """From a versioned bucket, ?versionId= gives that version's bytes, and without it the newest ones come."""
    versions = {body: s3.put_object(Bucket="bucket", Key="x y.csv", Body=body)["VersionId"] for body in (CONTENT, b"newer")}
    for body, version in versions.items():
        pin = hashlib.sha256(body).hexdigest()
        uri = f"s3://bucket/x y.csv?versionId={version}"
        assert fetch(source(uri, sha256=pin), "visits", tmp_path).read_bytes() == body
    assert f"its sha256 is {hashlib.sha256(b'newer').hexdigest()}" in complaint(tmp_path, "s3://bucket/x y.csv", sha256=HASH)
    assert "it does not exist" in complaint(tmp_path, "s3://bucket/no.csv", sha256=HASH)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "check AWS_ENDPOINT_URL, the credentials and the key" in complaint(tmp_path, "s3://bucket/x y.csv", sha256=HASH)
