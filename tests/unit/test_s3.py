"""The local S3 server's settings: credentials made once and for the owner's eyes only, nobody else's overwritten."""

import shlex
import socket
import stat
from pathlib import Path

import pytest

from knownat.errors import KnownatError
from knownat.s3 import HOST, exports, local_bucket, serving
from tests.servers import free_ports

LOCAL = Path(".dvc/config.local")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://bucket/dvc\n")
    return tmp_path


def test_credentials_are_made_once_and_are_the_owners() -> None:
    """A second call, at another port, keeps them; the file is readable by nobody else."""
    first = local_bucket(8333)
    second = local_bucket(9000)
    assert first.access_key_id
    assert first.secret_access_key
    assert (first.access_key_id, first.secret_access_key) == (second.access_key_id, second.secret_access_key)
    assert (first.name, first.prefix, first.endpoint, second.endpoint) == (
        "bucket",
        "dvc",
        "http://127.0.0.1:8333",
        "http://127.0.0.1:9000",
    )
    assert stat.S_IMODE(LOCAL.stat().st_mode) == 0o600


def test_another_servers_settings_are_not_overwritten() -> None:
    """They are named, and stay."""
    LOCAL.write_text("['remote \"storage\"']\n    endpointurl = https://minio.example.org\n")
    before = LOCAL.read_text()
    with pytest.raises(KnownatError, match=r"\.dvc/config\.local has settings of its own for the remote 'storage' \(endpointurl\)"):
        local_bucket(8333)
    assert LOCAL.read_text() == before


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("[core]\n    remote = storage\n['remote \"storage\"']\n    url = gs://bucket/dvc\n", "is gs://bucket/dvc, no S3"),
        ("", "No remote is set"),
        ("[core\n", "DVC's settings cannot be read"),
    ],
)
def test_a_remote_that_is_no_s3_is_refused(config: str, sentence: str) -> None:
    """With what to set."""
    Path(".dvc/config").write_text(config)
    with pytest.raises(KnownatError, match=sentence):
        local_bucket(8333)


def test_exports_are_for_a_shell() -> None:
    """Every line is one assignment, whatever the secret holds."""
    asked = local_bucket(8333)
    words = shlex.split(exports(asked))
    assert f"AWS_SECRET_ACCESS_KEY={asked.secret_access_key}" in words
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:8333" in words


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Also one of the server's own, behind the first."""
    port = free_ports(8)
    with socket.create_server((HOST, port + 3)):
        asked = local_bucket(port)
        with pytest.raises(KnownatError, match=rf"Port {port + 3} \(master\.grpc\)"), serving(tmp_path / "data", port, asked):
            pass
