"""`knownat lineage --openlineage`: a file is written whole, a receiver is told, and one that does not take it is said to."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from knownat.declaration import Declaration
from knownat.emission import emit
from knownat.errors import KnownatError
from knownat.loading import load_declaration
from tests.contract.test_openlineage import traced
from tests.declarations import CAMPAIGNS
from tests.projects import ROOT
from tests.receivers import Receiver, receiving

FOUND = traced()
RUNS = len(FOUND.stages)


@pytest.fixture(scope="module")
def declaration() -> Declaration:
    return load_declaration(CAMPAIGNS)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("feature_repo").mkdir()
    Path("feature_repo/feature_store.yaml").write_text((ROOT / "feature_repo/feature_store.yaml").read_text())
    monkeypatch.delenv("OPENLINEAGE_API_KEY", raising=False)


def test_a_file_holds_an_event_a_line(declaration: Declaration) -> None:
    """It is replaced whole, in a folder that need not be there."""
    for _ in range(2):
        assert emit(declaration, FOUND, "told/events.jsonl") == f"{RUNS} runs are in told/events.jsonl."
    names = [json.loads(line)["job"]["name"] for line in Path("told/events.jsonl").read_text().splitlines()]
    assert names == [stage.name for stage in FOUND.stages]
    assert [path.name for path in Path("told").iterdir()] == ["events.jsonl"]


def test_a_receiver_gets_each_run_once(declaration: Declaration, monkeypatch: pytest.MonkeyPatch) -> None:
    """At OpenLineage's own path, or at the one that the address names; with a key where there is one."""
    with receiving(Receiver()) as receiver:
        assert emit(declaration, FOUND, receiver.url) == f"{RUNS} runs were sent to {receiver.url}."
        assert set(receiver.paths) == {"/api/v1/lineage"}
        assert "Authorization" not in receiver.headers[0]
        assert [event["job"]["name"] for event in receiver.events] == [stage.name for stage in FOUND.stages]
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")
        emit(declaration, FOUND, f"{receiver.url}/other/path")
    assert receiver.paths[-1] == "/other/path"
    assert receiver.headers[-1]["Authorization"] == "Bearer secret"
    assert [e["run"]["runId"] for e in receiver.events[:RUNS]] == [e["run"]["runId"] for e in receiver.events[RUNS:]]


@pytest.mark.parametrize(
    ("receiver", "why"),
    [
        (Receiver(accepts=0), f"it answers 500; 0 of {RUNS} were sent"),
        (Receiver(accepts=2, status=503), f"it answers 503; 2 of {RUNS} were sent"),
        (Receiver(accepts=0, status=401), f"it answers 401; 0 of {RUNS} were sent"),
        (Receiver(silent=True), f"it does not answer; 0 of {RUNS} were sent"),
    ],
    ids=["500", "503 in the middle", "401", "silent"],
)
def test_a_receiver_that_does_not_take_an_event_is_one_sentence(declaration: Declaration, receiver: Receiver, why: str) -> None:
    """In bounded time, with what had been sent; nothing is tried twice behind one's back."""
    with receiving(receiver):
        started = time.monotonic()
        with pytest.raises(KnownatError) as caught:
            emit(declaration, FOUND, receiver.url)
        assert time.monotonic() - started < 15
    assert str(caught.value) == f"{receiver.url} did not take the events ({why}); look at the receiver, then send them again."
    assert len(receiver.paths) == len(receiver.events) + (not receiver.silent)


def test_where_nothing_listens_is_one_sentence_without_the_password(declaration: Declaration) -> None:
    with receiving(Receiver()) as receiver:
        gone = receiver.url
    with pytest.raises(KnownatError, match=rf"^{gone} did not take the events \(nothing listens there; 0 of"):
        emit(declaration, FOUND, gone.replace("http://", "http://me:hidden@"))


@pytest.mark.parametrize("target", ["s3://bucket/events", "http://", "ftp://x.test/y"])
def test_what_is_no_address_of_a_receiver_is_refused(declaration: Declaration, target: str) -> None:
    with pytest.raises(KnownatError, match="is no address of a receiver"):
        emit(declaration, FOUND, target)


def test_a_file_that_cannot_be_written_is_one_sentence(declaration: Declaration) -> None:
    Path("taken").write_text("")
    with pytest.raises(KnownatError, match=r"taken/events cannot be written \(.*\); name another file"):
        emit(declaration, FOUND, "taken/events")


def test_what_is_of_another_commit_or_of_no_stage_is_not_told(declaration: Declaration) -> None:
    """Its columns are in another declaration than the one that is here."""
    from dataclasses import replace

    with pytest.raises(KnownatError, match="is of another commit; check that out first"):
        emit(declaration, replace(FOUND, is_here=False), "events")
    with pytest.raises(KnownatError, match=r"no stage makes models/model\.keras, so there is no run"):
        emit(declaration, replace(FOUND, stages=()), "events")
    assert not Path("events").exists()
