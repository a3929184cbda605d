"""The doctor, on real damage: each is found, named and mended; what may still be in use is left alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from knownat.doctor import cache, drafts, locks, orphans, pipeline
from knownat.doctor.examine import CHECKS, mend
from knownat.doctor.findings import Finding
from knownat.errors import KnownatError
from knownat.files import draft_of
from tests.projects import commit, run

PIPELINE = """
stages:
  words:
    cmd: mkdir -p data && printf 'one two three' > data/words
    outs: [data/words]
  table:
    cmd: mkdir -p table/a && printf '%s' x > table/a/part-0 && printf '%s' y > table/a/part-1
    deps: [data/words]
    outs: [table]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pipeline without any of our stages, reproduced and committed."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    assert run(folder, "dvc", "init", "-q").returncode == 0
    (folder / "dvc.yaml").write_text(PIPELINE)
    done = run(folder, "dvc", "repro", "-q")
    assert done.returncode == 0, done.stderr
    commit(folder)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to damage, as the working folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dead() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def living(tmp_path: Path) -> Iterator[int]:
    """A process in the folder that runs DVC, as far as can be told from outside."""
    program = "import sys, time; sys.stdout.write('.'); sys.stdout.flush(); time.sleep(120)"
    process = subprocess.Popen([sys.executable, "-c", program, "dvc"], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    yield process.pid
    process.kill()
    process.wait()


def mended(findings: Iterator[Finding]) -> list[str]:
    return list(mend(list(findings)))


def objects(folder: Path) -> dict[str, Path]:
    """The output or file of each object in the cache."""
    names = {"data/words": "words", "table": ".dir", "table/a/part-0": "x", "table/a/part-1": "y"}
    found = {}
    for file in (folder / ".dvc/cache/files/md5").glob("*/*"):
        content = file.read_bytes()
        name = next(
            n
            for n, mark in names.items()
            if file.suffix == mark or content.decode() in {mark, "one two three"[: 13 * (mark == "words")]}
        )
        found[name] = file
    assert found.keys() == names.keys()
    return found


def overwrite(file: Path, content: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)


def test_a_sound_project_has_no_finding(project: Path) -> None:
    """It says what it has looked at, and exits 0."""
    done = run(project, "knownat", "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Nothing is wrong. Looked at: {', '.join(CHECKS)}.\n"


@pytest.mark.parametrize("content", ["", "[]", '{"write": {"/x": {}}}'])
@pytest.mark.parametrize("place", [".dvc/tmp/rwlock", ".dvc/tmp/exps/rwlock"])
def test_a_torn_book_of_locks_is_removed(project: Path, place: str, content: str) -> None:
    """Whether it is cut or not what DVC writes; the checkout's and the experiments'."""
    (project / place).parent.mkdir(exist_ok=True)
    (project / place).write_text(content)
    assert len(mended(locks.findings())) == 1
    assert not (project / place).exists()


def test_dvc_runs_again_after_the_doctor(project: Path) -> None:
    """It stops at a torn book of locks; `--fix` says what it did, finds nothing else and exits 0."""
    (project / ".dvc/tmp/rwlock").write_text('{"write": {"/x": {"pid"')
    assert run(project, "dvc", "repro", "-f").returncode != 0
    assert run(project, "knownat", "doctor").returncode == 1
    done = run(project, "knownat", "doctor", "--fix")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        ".dvc/tmp/rwlock is torn, as a killed DVC leaves it, and stops DVC's commands. Done: Remove it; no DVC runs in this folder.",
    )
    assert run(project, "dvc", "repro", "-f").returncode == 0


def test_a_torn_book_of_locks_stays_while_a_dvc_lives(project: Path, living: int) -> None:
    """The finding names the process, and has no fix; nor does a fix found before that process came remove it."""
    (project / ".dvc/tmp/rwlock").write_text("{")
    [finding] = locks.findings()
    assert str(living) in finding.problem
    assert finding.fix is None
    with pytest.raises(KnownatError, match=str(living)):
        locks.remove_torn(Path(".dvc/tmp/rwlock"))
    assert (project / ".dvc/tmp/rwlock").exists()


def test_locks_of_the_dead_are_taken_out_and_others_stay(project: Path, living: int, dead: int) -> None:
    """Of writers and readers alike."""
    entry = {"cmd": "dvc repro"}
    book = {
        "write": {"/a": {"pid": dead, **entry}, "/b": {"pid": living, **entry}},
        "read": {"/c": [{"pid": dead, **entry}, {"pid": living, **entry}], "/d": [{"pid": dead, **entry}]},
    }
    (project / ".dvc/tmp/rwlock").write_text(json.dumps(book))
    [line] = mended(locks.findings())
    assert f"({dead})" in line
    left = json.loads((project / ".dvc/tmp/rwlock").read_text())
    assert left == {"write": {"/b": {"pid": living, **entry}}, "read": {"/c": [{"pid": living, **entry}]}}
    assert not list(locks.findings())


def test_a_lock_of_a_number_that_another_process_has_now_is_of_the_dead(project: Path, living: int) -> None:
    """A process that started after the book was written is not the one it names."""
    book = project / ".dvc/tmp/rwlock"
    book.write_text(json.dumps({"write": {"/a": {"pid": living, "cmd": "dvc repro"}}}))
    assert not list(locks.findings())
    os.utime(book, (time.time() - 3600,) * 2)
    assert f"({living})" in next(iter(locks.findings())).problem


def test_drafts_of_the_dead_go_and_others_stay(project: Path, living: int, dead: int) -> None:
    """Files and folders, wherever a stage writes; a folder's own drafts go with it."""
    ours, theirs = draft_of(project / "data" / "words"), project / f"data/.draft.{dead}.01234567.words"
    alive = project / f"data/.draft.{living}.01234567.words"
    folder = project / f".draft.{dead}.01234567.table"
    (folder / f".draft.{dead}.01234567.part").mkdir(parents=True)
    for file in (ours, theirs, alive, project / "data" / ".draft.notes"):
        file.write_text("half")
    lines = mended(drafts.findings())
    assert [line.split()[0] for line in lines] == [folder.name, f"data/{theirs.name}"]
    assert sorted(file.name for file in (project / "data").glob(".draft*")) == sorted([alive.name, ours.name, ".draft.notes"])
    assert not folder.exists()


def test_a_draft_changes_nothing_that_dvc_sees(project: Path) -> None:
    """Beside an output, within a folder that a stage depends on."""
    (project / ".dvcignore").write_text((Path(__file__).parents[2] / ".dvcignore").read_text())
    (project / "dvc.yaml").write_text(PIPELINE.replace("deps: [data/words]", "deps: [data]"))
    assert run(project, "dvc", "repro", "-q").returncode == 0
    draft_of(project / "data" / "words").write_text("half")
    assert "up to date" in run(project, "dvc", "status").stdout


def test_what_dvc_has_not_finished_goes_once_no_dvc_runs(project: Path, living: int) -> None:
    """Its drafts do not tell whose they are."""
    left = project / ".dvc/cache/files/md5/ab/.UOXbcdFGVFgYcWQNbYl3kA.tmp"
    left.parent.mkdir(exist_ok=True)
    left.write_text("half")
    assert not list(drafts.findings())
    psutil.Process(living).kill()
    until_gone(living)
    assert len(mended(drafts.findings())) == 1
    assert not left.exists()


def until_gone(pid: int) -> None:
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.1)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "missing"])
@pytest.mark.parametrize("name", ["data/words", "table", "table/a/part-0"])
def test_a_damaged_object_is_named_by_its_output_and_restored_from_the_workspace(project: Path, name: str, damage: str) -> None:
    """Also one that DVC takes for whole, being read-only; the object then is what it was, byte for byte."""
    file = objects(project)[name]
    before = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        flipped = bytes([before[0] ^ 1]) + before[1:]
        overwrite(file, {"flipped": flipped, "truncated": before[:-1], "empty": b""}[damage])
    [finding] = cache.findings()
    assert name in finding.problem
    assert mended(iter([finding]))[0].endswith("else from the remote.")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (before, 0o444)
    assert not list(cache.findings())


def test_every_flipped_bit_is_found(project: Path) -> None:
    """Anywhere in any object (a seeded draw of 200 places)."""
    draw, store = random.Random(3), project / ".dvc/cache/files/md5"
    files = sorted(store.glob("*/*"))
    for _ in range(200):
        file = draw.choice(files)
        before = file.read_bytes()
        place = draw.randrange(len(before))
        overwrite(file, before[:place] + bytes([before[place] ^ 1 << draw.randrange(8)]) + before[place + 1 :])
        assert list(cache._damaged(store)) == [file.parent.name + file.name]
        overwrite(file, before)
    assert not list(cache._damaged(store))


def test_a_damaged_object_that_the_workspace_lacks_comes_from_the_remote(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A folder's list and a file; what the remote lacks stays a finding, and `dvc repro` makes it."""
    remote = tmp_path_factory.mktemp("remote")
    assert run(project, "dvc", "remote", "add", "-d", "storage", str(remote)).returncode == 0
    assert run(project, "dvc", "push").returncode == 0
    found = objects(project)
    before = {name: file.read_bytes() for name, file in found.items()}
    (project / "table" / "a" / "part-0").write_text("edited")
    for name in ("table", "table/a/part-0"):
        overwrite(found[name], b"?")
    assert len(mended(cache.findings())) >= 1
    mended(cache.findings())
    assert {name: file.read_bytes() for name, file in found.items()} == before
    overwrite(found["table/a/part-0"], b"?")
    (remote / "files" / "md5" / found["table/a/part-0"].relative_to(project / ".dvc/cache/files/md5")).unlink()
    [line] = mended(cache.findings())
    assert "Not done: the workspace has another table/a/part-0, and the remote does not hold it" in line
    [finding] = cache.findings()
    assert finding.problem.startswith("table/a/part-0 is not in the cache")
    assert run(project, "dvc", "repro").returncode == 0
    assert not list(cache.findings())


def test_a_clone_without_data_is_one_finding(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """And not one for each output."""
    clone = tmp_path_factory.mktemp("clones") / "clone"
    subprocess.run(["git", "clone", "-q", project, clone], check=True)
    done = run(clone, "knownat", "doctor")
    assert done.stdout == "Nothing that dvc.lock names is here or in the cache. `dvc pull` it, or `dvc repro`.\n"
    assert done.returncode == 1


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_torn_lock_file_gives_way_to_the_committed_one(project: Path, kept: float) -> None:
    """The torn one is kept aside; `dvc repro` then runs nothing that the run cache knows."""
    lock = project / "dvc.lock"
    text = lock.read_text()
    cut = text[: int(len(text) * kept)].rstrip() + "\n  x: {"
    lock.write_text(cut)
    assert run(project, "dvc", "status").returncode != 0
    done = run(project, "knownat", "doctor", "--fix")
    assert done.returncode == 0, done.stdout
    assert (lock.read_text(), (project / pipeline.TORN).read_text()) == (text, cut)


def test_a_torn_lock_file_stays_while_a_dvc_lives(project: Path, living: int) -> None:
    """It may be the one that writes it."""
    (project / "dvc.lock").write_text("schema: '2.0'\nstages:\n  words:\n    cmd")
    [line] = mended(pipeline.findings())
    assert f"Not done: Process {living} runs DVC here" in line


def test_a_stage_that_does_not_depend_on_its_code_is_named(project: Path) -> None:
    """With the file, imported directly or not; there is nothing that a machine should write into dvc.yaml."""
    (project / "src/knownat/stages").mkdir(parents=True)
    for name, text in {
        "stages/weigh": "from knownat import scales\n",
        "scales": "import knownat.words\n",
        "words": "X = 1\n",
    }.items():
        (project / f"src/knownat/{name}.py").write_text(text)
    named = ["src/knownat/scales.py", "src/knownat/stages/weigh.py"]
    stage = {"cmd": "python -m knownat.stages.weigh", "deps": named}
    (project / "dvc.yaml").write_text(json.dumps({"stages": {"weigh": stage}}))
    [finding] = pipeline.findings()
    assert "the stage weigh runs src/knownat/words.py and does not depend on it" in finding.problem
    assert finding.fix is None


def orphan(folder: Path, environment: dict[str, str]) -> psutil.Process:
    """A process that looks like a stage in the folder: `python -m knownat.stages.rest`, from a package of its own."""
    package = folder / "elsewhere" / "knownat" / "stages"
    package.mkdir(parents=True, exist_ok=True)
    for parent in (package, package.parent):
        (parent / "__init__.py").touch()
    (package / "rest.py").write_text("import sys, time\nsys.stdout.write('.')\nsys.stdout.flush()\ntime.sleep(120)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "knownat.stages.rest"], cwd=folder, stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder / "elsewhere"), **environment},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.read(1)
    return psutil.Process(process.pid)


def test_a_stage_that_has_outlived_its_dvc_is_ended(project: Path, dead: int) -> None:
    """DVC's book names no living process above it."""
    (project / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {"/a": {"pid": dead, "cmd": "dvc repro"}}}))
    process = orphan(project, {"DVC_STAGE": "rest"})
    [line] = mended(orphans.findings())
    assert line.startswith(f"The stage rest still runs as process {process.pid}, though the DVC that started it is gone. Done")
    assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize("environment", [{}, {"DVC_STAGE": "rest"}])
def test_a_stage_of_a_living_dvc_or_a_person_goes_on(project: Path, environment: dict[str, str]) -> None:
    """Ended it is only where DVC started it, and no process that DVC's book names is above it."""
    book = {"write": {"/a": {"pid": os.getpid(), "cmd": "dvc repro"}}} if environment else {}
    (project / ".dvc/tmp/rwlock").write_text(json.dumps(book))
    process = orphan(project, environment)
    assert not list(orphans.findings())
    assert [found.pid for found in orphans.stages_here()] == [process.pid]
    process.kill()
    process.wait()
