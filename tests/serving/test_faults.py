"""What breaks, and what the endpoint then answers: never an invented value, never late, never more than it must tell."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import run
from tests.redis_server import PASSWORD, Redis, filled, on_redis, redis_server
from tests.serving_project import LAUNCH, Served, change_params, open_events, served_copy, serving, stored

pytestmark = pytest.mark.full

LATEST = 0.25 + 0.05  # the deadline, and what the client itself takes
BACK = 5.0


@pytest.fixture(scope="module")
def on_a_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Redis]]:
    """A project whose online store is a Redis that keeps what it holds."""
    folder = tmp_path_factory.mktemp("redis")
    project = served_copy(folder / "project")
    with redis_server(folder / "server", save=True) as redis:
        on_redis(project, redis.port)
        filled(project)
        yield project, redis


def expect_refused(served: Served, seconds: float = 2.0) -> None:
    """For so long each prediction is a 503 in time, with liveness as ever; then the endpoint is not ready either."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        answer = served.predict(fields=LAUNCH)
        assert time.monotonic() - started < LATEST
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert served.client.get("/v2/health/live").status_code == 200
        time.sleep(0.05)
    assert not served.is_ready


def expect_back(served: Served) -> None:
    served.until(lambda: served.is_ready and served.predict(fields=LAUNCH).status_code == 200, BACK)


def test_a_paused_redis_is_told_of_in_time_and_forgiven(on_a_redis: tuple[Path, Redis]) -> None:
    project, redis = on_a_redis
    with serving(project) as served:
        assert served.predict(fields=LAUNCH).status_code == 200
        redis.signal(signal.SIGSTOP)
        expect_refused(served)
        redis.signal(signal.SIGCONT)
        expect_back(served)


def test_a_killed_redis_is_told_of_in_time_and_found_again(on_a_redis: tuple[Path, Redis]) -> None:
    project, redis = on_a_redis
    with serving(project) as served:
        before = served.predict(fields=LAUNCH).json()
        redis.kill()
        expect_refused(served)
        redis.start()
        expect_back(served)
        assert served.predict(fields=LAUNCH).json() == before


def test_an_emptied_redis_is_no_reason_to_invent_values(tmp_path: Path) -> None:
    """Restarted without its data, it answers, and nothing is predicted until it is filled again."""
    project = served_copy(tmp_path / "project")
    with redis_server(tmp_path / "server") as redis:
        on_redis(project, redis.port)
        filled(project)
        with serving(project) as served:
            redis.kill()
            redis.start()
            expect_refused(served)
            assert "was emptied" in served.client.get("/v2/health/ready").json()["reason"]
            filled(project)
            expect_back(served)


def test_a_wrong_password_is_not_told_to_anybody(on_a_redis: tuple[Path, Redis], tmp_path: Path) -> None:
    _, redis = on_a_redis
    project = served_copy(tmp_path / "project")
    on_redis(project, redis.port, "another-secret-2")
    with serving(project, wait=False) as served:
        time.sleep(1)
        answer = served.predict(fields=LAUNCH)
        assert answer.status_code == 503
        said = answer.text + served.client.get("/v2/health/ready").text + served.log.read_text()
    assert "another-secret-2" not in said
    assert PASSWORD not in said


def test_a_store_that_is_gone_is_not_made_anew(project: Path) -> None:
    """The file removed while serving: 503, and no empty file in its place; put back, all is well."""
    path = project / "feature_repo" / "data" / "online_store.db"
    with serving(project) as served:
        before = served.predict(fields=LAUNCH).json()
        aside = path.rename(path.with_suffix(".aside"))
        expect_refused(served)
        assert not path.exists()
        aside.rename(path)
        expect_back(served)
        assert served.predict(fields=LAUNCH).json() == before


def test_a_store_that_is_filled_anew_is_read_anew(project: Path) -> None:
    """Replaced, or written in place, while serving: the next answer holds the new value, and no answer fails."""
    path = project / "feature_repo" / "data" / "online_store.db"
    name = "country_history__ended_365d"
    with serving(project) as served, sqlite3.connect(path) as store:
        before = served.predict(fields=LAUNCH).json()["features"][name]["value"]
        # of GB and of US, whose keys end in their letters
        other = "SELECT value FROM knownat_country_history WHERE feature_name = 'ended_30d' AND hex(entity_key) LIKE '%4742'"
        ours = "feature_name = 'ended_365d' AND hex(entity_key) LIKE '%5553'"
        store.execute(f"UPDATE knownat_country_history SET value = ({other}) WHERE {ours}")
        store.commit()
        changed = served.predict(fields=LAUNCH).json()["features"][name]["value"]
        assert changed != before
        statuses = set[int]()
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                statuses.add(served.predict(fields=LAUNCH).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        filled(project)
        done.set()
        asking.join()
        assert statuses == {200}
        assert served.predict(fields=LAUNCH).json()["features"][name]["value"] == before


@pytest.mark.parametrize("damage", ["x'ff00ff'", "x'1803'"])
def test_damaged_values_are_not_believed(project: Path, damage: str) -> None:
    """Bytes that are no value, and a value of another type: 503, not 500."""
    path = project / "feature_repo" / "data" / "online_store.db"
    with serving(project) as served:
        with sqlite3.connect(path) as store:
            store.execute(f"UPDATE knownat_country_history SET value = {damage} WHERE feature_name = 'ended_365d'")
        assert served.predict(fields=LAUNCH).status_code == 503
        assert served.client.get("/v2/health/live").status_code == 200


def test_a_locked_store_delays_nobody_else(project: Path) -> None:
    """Somebody writes for two seconds: 503 in time where a row is not in memory, and liveness at once."""
    path = project / "feature_repo" / "data" / "online_store.db"
    with serving(project) as served, sqlite3.connect(path, isolation_level=None) as store:
        store.execute("BEGIN EXCLUSIVE")
        end = time.monotonic() + 2
        while time.monotonic() < end:
            started = time.monotonic()
            assert served.predict(fields=LAUNCH).status_code in {200, 503}
            assert time.monotonic() - started < LATEST
            started = time.monotonic()
            assert served.client.get("/v2/health/live").status_code == 200
            assert time.monotonic() - started < 0.2
        store.execute("ROLLBACK")
        expect_back(served)


def test_a_model_that_was_tampered_with_is_never_loaded(project: Path) -> None:
    """One byte of the checkout's model, or of the champion's object where there is no remote: refused in a sentence."""
    model = project / "models" / "model.keras"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    done = run(project, "knownat", "serve", "--model", "checkout", "--port", "1")
    assert done.returncode == 1
    assert "is not the one that dvc.lock names" in done.stderr
    md5 = stored(project, "champion.json")["files"]["model"]
    cache = project / ".dvc" / "cache"
    cache.unlink()
    for name in (md5, stored(project, "champion.json")["files"]["encoder"]):
        held = cache / "files" / "md5" / name[:2] / name[2:]
        held.parent.mkdir(parents=True, exist_ok=True)
        held.write_bytes(bytes(content) if name == md5 else (project / "models" / "encoder.json").read_bytes())
    done = run(project, "knownat", "serve", "--model", "champion", "--port", "1")
    assert done.returncode == 1
    assert "holds it damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_champion_is_loaded_without_losing_a_request(project: Path) -> None:
    """While requests run: a broken champion.json changes nothing, a good one is live within seconds, and none fails."""
    champion = project / "champion.json"
    good = champion.read_text()
    other = good.replace(stored(project, "champion.json")["lineage"], "ab" * 32)
    with serving(project, "--model", "champion") as served:
        statuses = set[int]()
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                statuses.add(served.predict(fields=LAUNCH).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            champion.write_text("{")
            served.until(lambda: 'knownat_model_reloads_total{result="refused"} 1.0' in served.client.get("/metrics").text, 10)
            assert served.predict(fields=LAUNCH).json()["lineage"] != "ab" * 32
            champion.write_text(other)
            served.until(lambda: served.predict(fields=LAUNCH).json()["lineage"] == "ab" * 32, 30)
        finally:
            done.set()
            asking.join()
    assert statuses == {200}


def test_what_is_asked_before_the_end_is_answered(project: Path) -> None:
    """SIGTERM while requests run: each is answered or refused its connection, none is cut off, and the end is a good one."""
    [key] = open_events(project, 1)
    with serving(project) as served:
        statuses, broken = list[int](), list[str]()

        def ask() -> None:
            import httpx2 as httpx

            with httpx.Client(base_url=served.url) as client:
                for _ in range(2000):
                    try:
                        statuses.append(client.post("/predict", json={"id": key}).status_code)
                    except httpx.ConnectError:
                        return
                    except httpx.TransportError as error:
                        broken.append(repr(error))
                        return

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        time.sleep(0.5)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(15) in {0, -signal.SIGTERM}
        for asker in askers:
            asker.join()
    assert len(statuses) > 100
    assert set(statuses) == {200}
    # a request that crosses with the closing of an idle connection is the client's to send again
    assert all("Disconnected" in text or "RemoteProtocolError" in text or "ReadError" in text for text in broken), broken


def test_a_port_that_is_taken_is_said(project: Path) -> None:
    with serving(project) as served:
        done = run(project, "knownat", "serve", "--model", "checkout", "--port", served.url.rsplit(":", 1)[1])
    assert done.returncode == 1
    assert "Cannot listen on" in done.stderr


def test_errors_tell_no_paths(project: Path) -> None:
    """Odd requests get an answer that says nothing of where it was made."""
    change_params(project, clock=None)
    with serving(project) as served:
        answers = [served.predict(fields=LAUNCH | {"category": "x" * 2000}), served.client.get("/features/project/x%00y")]
    assert all(answer.status_code < 500 for answer in answers)
    assert not any(str(project) in answer.text or os.sep + "src" in answer.text for answer in answers)
