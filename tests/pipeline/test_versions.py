"""Versions of a source, and the README's section on versions of everything, as a person would type it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from knownat.remote import bucket
from tests.projects import GIT, ROOT, commit, copied, reproduced, run
from tests.servers import exports, free_ports, s3

pytestmark = pytest.mark.full


@pytest.fixture
def sources(deliveries_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Any]]:
    """A project, and a client of a server with a versioned bucket `sources`, which the environment names too."""
    folder, port = copied(deliveries_once, tmp_path / "project"), free_ports(8)
    with s3(folder, port, "--versioned", "sources"):
        for name, value in exports(folder, port).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        asked = bucket()
        assert asked
        yield folder, asked.client()


def put(store: Any, content: bytes) -> str:
    return str(store.put_object(Bucket="sources", Key="deliveries.csv", Body=content)["VersionId"])


def pin(folder: Path, version: str, content: bytes) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["sources"]["deliveries"] |= {
        "uri": f"s3://sources/deliveries.csv?versionId={version}",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def ran(said: str) -> list[str]:
    return re.findall(r"Running stage '([^']+)'", said)


def test_a_source_is_pinned_to_a_version_until_a_person_switches(sources: tuple[Path, Any]) -> None:
    """A newer version changes no data, and the doctor tells of it; naming it reruns its ingest and what follows, nothing else."""
    folder, store = sources
    old = Path("deliveries.csv").read_bytes()
    new = old.replace(b",north,", b",south,", 40)
    first = put(store, old)
    pin(folder, first, old)
    raw = Path("data/raw/deliveries.parquet").read_bytes()
    assert ran(reproduced(folder, "validate_raw")) == ["ingest@deliveries", "validate_raw"]
    assert Path("data/raw/deliveries.parquet").read_bytes() == raw
    assert f"versionId={first}" in Path("dvc.lock").read_text()
    assert "there is a newer one" not in run(folder, "knownat", "doctor").stdout
    second = put(store, new)
    assert ran(reproduced(folder, "validate_raw")) == [
        "ingest@deliveries"
    ]  # DVC notices; the pinned bytes come again, and nothing follows
    assert ran(reproduced(folder, "validate_raw")) == []
    told = run(folder, "knownat", "doctor").stdout
    assert f"sources.deliveries is pinned to version {first}" in told
    assert f"s3://sources/deliveries.csv?versionId={second}" in told
    pin(folder, second, new)
    assert ran(reproduced(folder, "validate_raw")) == ["ingest@deliveries", "validate_raw"]
    pin(folder, second, old)
    refused = run(folder, "dvc", "repro", "ingest@deliveries")
    assert refused.returncode != 0
    assert "sha256" in refused.stderr


def test_import_url_and_update_are_the_other_way(sources: tuple[Path, Any]) -> None:
    """DVC keeps the file and where it came from; `dvc update` fetches a newer one, and ingest reruns."""
    folder, store = sources
    old = Path("deliveries.csv").read_bytes()
    put(store, old)
    for command in (
        ["git", "rm", "-q", "--cached", "deliveries.csv"],
        ["dvc", "remote", "add", "sources", "s3://sources"],
        ["dvc", "import-url", "--force", "remote://sources/deliveries.csv", "deliveries.csv"],
    ):
        done = run(folder, *command)
        assert done.returncode == 0, done.stderr
    commit(folder)
    assert "Running stage" not in reproduced(folder, "ingest@deliveries")
    put(store, old.replace(b",north,", b",south,", 40))
    assert "Running stage" not in reproduced(folder, "ingest@deliveries")
    done = run(folder, "dvc", "update", "deliveries.csv.dvc")
    assert done.returncode == 0, done.stderr
    assert "Running stage 'ingest@deliveries'" in reproduced(folder, "ingest@deliveries")


def readme_blocks(title: str) -> list[str]:
    section = (ROOT / "README.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```\n(.*?)```", section, re.S)


def test_the_readme_tells_of_versions_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section's commands as they stand, on this checkout's data: to another machine, a second version there, and back."""
    if run(ROOT, "dvc", "status", "--quiet").returncode:
        pytest.skip("this checkout has not been reproduced; run `dvc repro`")
    folder, port = tmp_path / "project", free_ports(8)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    shutil.copytree(ROOT / ".dvc" / "cache", folder / ".dvc" / "cache", copy_function=os.link)
    assert run(folder, "dvc", "checkout", "--force").returncode == 0
    server, session = readme_blocks("Data versions")
    assert server.split("#")[0].split() == ["knownat", "s3"]
    for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{variable}_NAME", GIT[2].partition("=")[2])
        monkeypatch.setenv(f"{variable}_EMAIL", GIT[4].partition("=")[2])
    with s3(folder, port):
        done = run(folder, "bash", "-e", "-c", session)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done.stdout) == ["train", "evaluate", "report"]  # by the experiment alone
    predict = next(line for line in session.splitlines() if "knownat predict" in line).split("&&")[-1]
    here = run(folder, "bash", "-e", "-c", predict)
    assert here.returncode == 0, here.stderr
    assert done.stdout.endswith(here.stdout)
