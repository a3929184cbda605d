"""The real pipeline under real faults: kill -9, a full disk, two runs at once. Afterwards it gives what it gave undisturbed."""

from __future__ import annotations

import filecmp
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from knownat import paths
from knownat.declaration import Declaration
from knownat.doctor import online_store, registry
from knownat.doctor.examine import mend
from knownat.files import read_json
from knownat.params import Params
from tests.projects import ROOT, copied, reproduced, run

STAGES = ["compile", "ingest@deliveries", *list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])[2:]]
LATEST_SECOND = 40  # of a kill
SECONDS_TO_END = 40
MOMENTS = [pytest.param(n, marks=pytest.mark.full if n < 3 else pytest.mark.soak) for n in range(33)]

# a data folder on a disk that has room for what is there and {spare} KiB more, seen by this command alone
ON_A_SMALL_DISK = """
cp -a data kept && mount -t tmpfs -o size=16m tmpfs data && cp -a kept/. data/ || exit 99
dd if=/dev/zero of=data/ballast bs=1k status=none 2>&-
truncate -s -{spare}K data/ballast
{command}
code=$?
diff -r --exclude ballast data kept || exit 98
exit $code
"""


def forgetful(project: Path, folder: Path) -> Path:
    """A copy whose stages run where they have to: without the run cache, which would bring their outputs back."""
    copied(project, folder)
    shutil.rmtree(folder / ".dvc" / "cache" / "runs")
    return folder


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "KNOWNAT_DEBUG"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def processes(folder: Path) -> list[str]:
    """What runs in a folder or below it: stages, their JVMs, their workers."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def until(is_so: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.2)


def lock(folder: Path) -> dict[str, Any]:
    """The stages of dvc.lock; none where a kill has torn it."""
    try:
        return dict(yaml.safe_load((folder / "dvc.lock").read_text())["stages"])
    except (yaml.YAMLError, TypeError, KeyError):
        return {}


def recovered(folder: Path) -> None:
    """What a person does: the doctor, and one more run. Nothing is left of the fault."""
    done = run(folder, "knownat", "doctor", "--fix")
    assert done.returncode == 0, done.stdout + done.stderr
    reproduced(folder)
    done = run(folder, "knownat", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(folder.rglob(".draft.*"))


@pytest.mark.parametrize("seed", MOMENTS)
def test_a_killed_run_leaves_nothing_that_counts(deliveries_once: Path, tmp_path: Path, seed: int) -> None:
    """kill -9 of DVC in any stage at any moment: what it started ends, no half output is in dvc.lock, one run mends all."""
    draw = random.Random(seed)
    folder, stage, moment = forgetful(deliveries_once, tmp_path / "project"), draw.choice(STAGES), draw.uniform(2, LATEST_SECOND)
    dvc = started(folder, "repro", "--force", "--downstream", stage)
    time.sleep(moment)
    dvc.kill()
    dvc.wait()
    with suppress(AssertionError):
        until(lambda: not processes(folder), SECONDS_TO_END)
    assert processes(folder) == []
    expected, found = lock(deliveries_once), lock(folder)
    if 0 < len(found) < len(expected):  # DVC writes the file in place: what was written last may be torn and still be YAML
        found.popitem()
    assert {name: entry for name, entry in found.items() if entry != expected[name]} == {}
    recovered(folder)
    assert lock(folder) == expected


@pytest.mark.full
def test_two_runs_at_once_do_not_mix(deliveries_once: Path, tmp_path: Path) -> None:
    """One of them may have to give way, and says to whom; the outputs are those of one."""
    folder = forgetful(deliveries_once, tmp_path / "project")
    both = [started(folder, "repro", "--force", "--downstream", "validate_training_set") for _ in range(2)]
    told = [process.communicate()[0] for process in both]
    for process, text in zip(both, told, strict=True):
        assert process.returncode == 0 or "is busy" in text or "Unable to acquire lock" in text or "already runs" in text, text
    recovered(folder)
    assert lock(folder) == lock(deliveries_once)


@pytest.mark.full
@pytest.mark.parametrize(("stage", "spare"), [("ingest deliveries", 8), ("preprocess", 40)])
def test_a_full_disk_is_told_and_leaves_what_was_there(deliveries_once: Path, tmp_path: Path, stage: str, spare: int) -> None:
    """In Python and on Spark: exit 1, one sentence with the cause and a folder, and each output as it was."""
    folder = forgetful(deliveries_once, tmp_path / "project")
    command = f"{shlex.quote(sys.executable)} -m knownat.stages.{stage}"
    if mounting := mounts():
        done = run(folder, *mounting, "sh", "-c", ON_A_SMALL_DISK.format(spare=spare, command=command))
        cause = "No space is left on the disk of "
    else:  # where nothing may be mounted, no file may grow beyond 1 KiB
        done = run(folder, "sh", "-c", f"ulimit -f 2 && {command.replace('preprocess', 'ingest weather')}")
        cause = "A file in "
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {cause}{folder}"), done.stderr
    assert not list(folder.rglob(".draft.*"))
    assert all(
        filecmp.cmp(file, deliveries_once / file.relative_to(folder), shallow=False) for file in (folder / "data").rglob("*.*")
    )


def mounts() -> list[str]:
    """A command before another one, which lets it mount a disk of its own; empty where none may."""
    for prefix in (["unshare", "-m"], ["unshare", "-rm"], ["sudo", "-n", "unshare", "-m"]):
        trial = [*prefix, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which(prefix[0]) and subprocess.run(trial, capture_output=True, check=False).returncode == 0:
            return prefix
    return []


@pytest.fixture(scope="module")
def stores(deliveries_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose embedded stores are damaged and mended."""
    return forgetful(deliveries_once, tmp_path_factory.mktemp("stores") / "project")


def cut(file: Path, kept: float) -> None:
    os.truncate(file, int(file.stat().st_size * kept))


def without_a_view(file: Path) -> None:
    """A registry that Feast can read, with fewer objects than the dump."""
    from feast.protos.feast.core.Registry_pb2 import Registry

    content = Registry.FromString(file.read_bytes())
    del content.feature_views[0]
    file.write_bytes(content.SerializeToString())


REGISTRY_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "is missing"),
    "empty": (lambda file: cut(file, 0), "is empty"),
    "truncated": (lambda file: cut(file, 0.7), ""),
    "other": (without_a_view, "is not what feature_repo/registry.json says"),
}


@pytest.mark.full
@pytest.mark.parametrize("damage", REGISTRY_DAMAGE)
@pytest.mark.parametrize("is_by_itself", [False, True])
def test_a_damaged_registry_is_built_anew(stores: Path, damage: str, is_by_itself: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the doctor, and by whatever command opens the store; it then says what the tracked dump says."""
    from knownat.feature_store import dump, embedded_registry, open_store, registry_fault

    monkeypatch.chdir(stores)
    declaration = Declaration.read(paths.compiled("register"))
    open_store(declaration)
    assert not list(registry.findings())
    spoil, told = REGISTRY_DAMAGE[damage]
    spoil(embedded_registry())
    [finding] = registry.findings()
    assert told in finding.problem
    if is_by_itself:
        assert dump(open_store(declaration)) == read_json(paths.REGISTRY_DUMP)
    else:
        assert len(list(mend([finding]))) == 1
    assert registry_fault() is None


def _filled(folder: Path) -> Path:
    from knownat.online import embedded_path, filled

    filled(Declaration.read(paths.compiled("report")), Params.load().observed_at)
    path = embedded_path()
    assert path is not None
    return folder / path


@pytest.mark.full
@pytest.mark.parametrize(("kept", "told"), [(0.6, "cannot be read"), (None, "is behind data/views")])
def test_an_online_store_that_is_damaged_or_behind_is_filled_anew(
    stores: Path, kept: float | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truncated, or filled from other feature views than those on disk; one that was never filled is no finding."""
    monkeypatch.chdir(stores)
    path = _filled(stores)
    assert not list(online_store.findings())
    if kept is None:
        path.with_suffix(".filled").write_text("of other views")
    else:
        cut(path, kept)
    [finding] = online_store.findings()
    assert told in finding.problem
    [line] = mend([finding])
    assert "Done: Fill it" in line
    assert not list(online_store.findings())
    path.unlink()
    assert not list(online_store.findings())
