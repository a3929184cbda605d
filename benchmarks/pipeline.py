"""The seconds of each stage of a cold `dvc repro`, and how much of them is imports and the start of Java.

Runs on a clone of HEAD with an empty cache, so that nothing is restored; needs an installed environment:

    python benchmarks/pipeline.py [--rows 50000]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNNING = re.compile(r"^Running stage '(.+)':")
IMPORT = re.compile(r"^import time:\s+(\d+) \|")
JVM = """
import sys, time
import pyspark.sql
from knownat.spark_session import spark_session
started = time.monotonic()
with spark_session() as session:
    sys.stdout.write(str(time.monotonic() - started))
"""


@dataclass
class Stage:
    """Seconds from its start to the next stage's, and those of them that Python spent on imports."""

    name: str
    seconds: float = 0.0
    imports: float = 0.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, help="rows of the generator; by default those of params.yaml")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="knownat-benchmark-") as folder:
        project = Path(folder) / "project"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(project)], check=True)
        if options.rows:
            params = project / "params.yaml"
            params.write_text(re.sub(r"rows: \d+", f"rows: {options.rows}", params.read_text()))
        stages = reproduce(project)
        write(stages, java_start(Path(folder) / "java.py", project))


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONPROFILEIMPORTTIME": "1"}


def reproduce(project: Path) -> list[Stage]:
    """Run the pipeline, and part its time and its imports by the lines in which DVC names the stages."""
    command = [shutil.which("dvc", path=environment()["PATH"]) or "dvc", "repro"]
    process = subprocess.Popen(command, cwd=project, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    stages, since = [Stage("(dvc)")], time.monotonic()
    assert process.stdout is not None
    for line in process.stdout:
        if found := IMPORT.match(line):
            stages[-1].imports += int(found.group(1)) / 1e6
            continue
        if found := RUNNING.match(line):
            now = time.monotonic()
            stages[-1].seconds, since = now - since, now
            stages.append(Stage(found.group(1)))
    stages[-1].seconds = time.monotonic() - since
    if process.wait():
        sys.exit("dvc repro failed; run it by hand to see why")
    return stages


def java_start(script: Path, project: Path) -> float:
    """Seconds until a Spark session answers, Java's start included."""
    script.write_text(JVM)
    env = environment() | {"PYTHONPROFILEIMPORTTIME": ""}
    return float(subprocess.check_output([sys.executable, str(script)], cwd=project, env=env, text=True))


def write(stages: list[Stage], java: float) -> None:
    total, imports = sum(s.seconds for s in stages), sum(s.imports for s in stages)
    sessions = 2  # preprocess and encode
    lines = [f"{'stage':<24}{'seconds':>9}{'imports':>9}"]
    lines += [f"{s.name:<24}{s.seconds:>9.1f}{s.imports:>9.1f}" for s in stages]
    lines.append(f"{'total':<24}{total:>9.1f}{imports:>9.1f}")
    shares = f"imports {imports / total:.0%}; Java's start {sessions} x {java:.1f} s, {sessions * java / total:.0%}"
    lines.append(f"{shares}; {os.cpu_count()} cores")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
