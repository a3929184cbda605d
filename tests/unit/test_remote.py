"""What is wrong with a remote, in one sentence and within the bound, without a server."""

import os
import socket
import time
from pathlib import Path

import pytest

from knownat.remote import BOUND_SECONDS, Bucket, expect_answer, problem


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_no_credentials() -> None:
    """Named with both ways to give them."""
    found = problem(Bucket("b"))
    assert found is not None
    assert "There are no credentials for s3://b; set AWS_ACCESS_KEY_ID" in str(found)


def test_an_unknown_profile() -> None:
    """Named."""
    assert "nobody" in str(problem(Bucket("b", profile="nobody")))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "not a url", "http://no-such-host.invalid"])
def test_no_server(endpoint: str) -> None:
    """Where it was looked for, and what to set."""
    said = str(problem(Bucket("b", endpoint=endpoint, access_key_id="a", secret_access_key="b")))
    assert f"s3://b at {endpoint} does not answer" in said
    assert "AWS_ENDPOINT_URL" in said
    assert "\n" not in said


def test_a_silent_server_is_given_up_within_the_bound() -> None:
    """It accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        asked = Bucket("b", endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", access_key_id="a", secret_access_key="b")
        assert problem(asked) is not None
        assert time.monotonic() - began < BOUND_SECONDS + 1


def test_a_secret_is_not_shown() -> None:
    """Neither in a sentence nor in a dump of the bucket."""
    asked = Bucket("b", endpoint="http://127.0.0.1:9", access_key_id="a", secret_access_key="hidden")
    assert "hidden" not in repr(asked) + str(problem(asked))


def test_a_remote_that_is_a_folder_is_not_asked() -> None:
    """DVC itself says what is wrong with one."""
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    remote = here\n['remote \"here\"']\n    url = /nowhere\n")
    expect_answer()
