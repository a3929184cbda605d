"""Objects that a bad disk or a careless hand spoils, on the remote and in the cache: all found, named and mended from the other side."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knownat.objects import of_the_lock, path_of
from knownat.remote import bucket
from tests.projects import copied, reproduced, run
from tests.servers import free_ports, s3

pytestmark = pytest.mark.full

CACHE = Path(".dvc/cache/files/md5")


def flipped(content: bytes) -> bytes:
    at = random.Random(len(content)).randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


# None: the object is deleted
DAMAGES: list[Callable[[bytes], bytes | None]] = [flipped, lambda content: content[: len(content) // 2], lambda _: None]


@pytest.fixture(scope="module")
def pushed(deliveries_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose remote, a server that is up, has all of it; the working folder of each test."""
    folder = copied(deliveries_once, tmp_path_factory.mktemp("pushed") / "project")
    before = Path.cwd()
    with s3(folder, free_ports(8)):
        assert run(folder, "knownat", "push").returncode == 0
        os.chdir(folder)
        yield folder
        os.chdir(before)


def victims() -> list[tuple[str, str, Callable[[bytes], bytes | None]]]:
    """Every object but the empty ones, each with a damage: all kinds on files and on folders' listings."""
    found = sorted((md5, name) for md5, name in of_the_lock(CACHE).items() if path_of(CACHE, md5).stat().st_size)
    return [(md5, name, DAMAGES[number % len(DAMAGES)]) for number, (md5, name) in enumerate(found)]


def mended(named: list[str], *options: str) -> None:
    """`knownat doctor` says that something is wrong, `--fix` names and mends each of the objects, and then nothing is wrong.

    What a folder holds is known only once its listing is mended.
    """
    assert run(Path(), "knownat", "doctor", *options).returncode == 1
    done = run(Path(), "knownat", "doctor", "--fix", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [md5 for md5 in named if md5 not in done.stdout] == []
    assert "Nothing is wrong" in run(Path(), "knownat", "doctor", *options).stdout


def test_what_is_damaged_on_the_remote_is_sent_again(pushed: Path) -> None:
    """One byte flipped, half of it, or nothing left; a fresh clone then gets everything."""
    asked = bucket()
    assert asked
    store, all_of_them = asked.client(), victims()
    assert len(all_of_them) > 50
    for md5, _, damage in all_of_them:
        place = {"Bucket": asked.name, "Key": f"{asked.prefix}/files/md5/{md5[:2]}/{md5[2:]}"}
        spoiled = damage(store.get_object(**place)["Body"].read())
        if spoiled is None:
            store.delete_object(**place)
        else:
            store.put_object(**place, Body=spoiled)
    mended([md5[:8] for md5, _, _ in all_of_them], "--remote")
    clone = pushed.parent / "clone"
    assert run(Path(), "git", "clone", "-q", ".", str(clone)).returncode == 0
    shutil.copy(".dvc/config.local", clone / ".dvc" / "config.local")
    done = run(clone, "knownat", "pull")
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in reproduced(clone)


@pytest.mark.parametrize("is_in_workspace", [True, False])
def test_what_is_damaged_in_the_cache_is_taken_from_elsewhere(pushed: Path, is_in_workspace: bool) -> None:
    """From the workspace where that has it, else from the remote; the bytes are what they were."""
    assert pushed == Path.cwd()
    spoil = [(md5, name, damage) for md5, name, damage in victims() if not name.startswith("compiled/")]
    for md5, name, damage in spoil:
        path = path_of(CACHE, md5)
        spoiled = damage(path.read_bytes())
        path.unlink()
        if spoiled is not None:
            path.write_bytes(spoiled)
            path.chmod(0o444)  # DVC takes it for whole
        if not is_in_workspace and Path(name).is_file():
            Path(name).unlink()
    mended([md5 for md5, _, _ in spoil])
    assert run(Path(), "dvc", "checkout", "--force").returncode == 0
    assert "Running stage" not in reproduced(Path())
    assert run(Path(), "git", "status", "--porcelain").stdout == ""
