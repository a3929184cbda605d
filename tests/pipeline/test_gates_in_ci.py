"""What `.ci/gates` writes on a pull request: a clone that has nothing but git and the remote of the data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.projects import ROOT, commit, copied, run

pytestmark = pytest.mark.full


def done(folder: Path, *command: str) -> None:
    ran = run(folder, *command)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def author(deliveries_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project on its branch `main`, pushed: git to a bare repository, data to a folder beside it."""
    folder = copied(deliveries_once, tmp_path_factory.mktemp("author") / "project")
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "gates", folder / ".ci" / "gates")
    done(folder, "dvc", "remote", "modify", "storage", "url", str(folder.parent / "data-remote"))
    done(folder, "git", "init", "-q", "--bare", str(folder.parent / "remote.git"))
    done(folder, "git", "remote", "add", "origin", str(folder.parent / "remote.git"))
    done(folder, "git", "branch", "-m", "main")
    pushed(folder, "main")
    return folder


def pushed(author: Path, branch: str) -> None:
    commit(author)
    done(author, "dvc", "push", "-q")
    done(author, "git", "push", "-q", "origin", branch)


def branched(author: Path, branch: str, old: str, new: str) -> int:
    """A branch off main whose deliveries differ, reproduced as far as it goes, and pushed; how `dvc repro` ended."""
    done(author, "git", "checkout", "-q", "-f", "-b", branch, "main")
    done(author, "dvc", "checkout", "-q", "--force")
    source = author / "deliveries.csv"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    ended = run(author, "dvc", "repro").returncode
    pushed(author, branch)
    return ended


def judged(author: Path, branch: str) -> tuple[Path, int, str]:
    """A fresh clone of the branch, how `.ci/gates` ends in it, and the summary."""
    folder = author.parent / f"ci-{branch}"
    done(author.parent, "git", "clone", "-q", "-b", branch, str(author.parent / "remote.git"), str(folder))
    summary = folder.with_suffix(".md")
    ran = run(folder, "env", f"GITHUB_STEP_SUMMARY={summary}", ".ci/gates", "origin/main")
    assert summary.exists(), ran.stderr
    return folder, ran.returncode, summary.read_text()


def test_changed_data_is_judged_scored_and_compared(author: Path) -> None:
    """The summary has gates, metrics and data, exit 0; nothing of the model or its matrix was fetched."""
    assert branched(author, "changed", ",north,", ",south,") == 0
    folder, ended, summary = judged(author, "changed")
    assert ended == 0, summary
    assert "**raw**: " in summary
    assert " fails" not in summary
    assert "test.auc" in summary.split("### Metrics")[1]
    assert "depot changed in" in summary
    assert "depot has gone values: north" in summary
    assert "views/rain" in summary.split("No change: ")[1]
    assert not (folder / "models").exists()
    assert not (folder / "data/encoded.parquet").exists()
    assert not (folder / "report").exists()


def test_a_branch_that_fails_a_gate_is_refused_with_the_summary_in_full(author: Path) -> None:
    """Exit 1; the summary names the expectation and what it found, and metrics and data follow all the same."""
    broken = "".join(f"broken {number}\n" for number in range(60))
    assert branched(author, "broken", "P0599,", f"{broken}P0599,") != 0
    _, ended, summary = judged(author, "broken")
    assert ended == 1
    assert "fails: deliveries.can be read" in summary
    assert "at most 5% of the rows may be unreadable" in summary
    assert "### Metrics" in summary
    assert "### Data against origin/main" in summary


def test_a_lock_that_the_gates_do_not_find_is_refused(author: Path) -> None:
    """A verdict that was locked for other data ends in exit 1, and the summary shows what differs."""
    done(author, "git", "checkout", "-q", "-f", "-b", "forged", "main")
    lock = author / "dvc.lock"
    text = lock.read_text()
    at = text.index("path: data/verdicts/training_set.json")
    md5 = text[at:].split("md5: ")[1].split()[0]
    lock.write_text(text.replace(md5, "f" * 32))
    commit(author)
    done(author, "git", "push", "-q", "origin", "forged")
    _, ended, summary = judged(author, "forged")
    assert ended == 1
    assert "**dvc.lock is not what the gates find**" in summary
    assert f"+      md5: {md5}" in summary


def test_data_that_was_not_pushed_is_refused(author: Path) -> None:
    """Where the remote lacks what the lock names, the summary says so and the gates do not run."""
    remote = author.parent / "data-remote"
    remote.rename(remote.with_name("away"))
    try:
        folder, ended, summary = judged(author, "main")
    finally:
        shutil.rmtree(remote, ignore_errors=True)
        remote.with_name("away").rename(remote)
    assert ended == 1
    assert "is not to be had" in summary
    assert not (folder / "data/results").exists()
