"""What a person who runs a stage sees: progress, one log line with counts, or one sentence."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping

from knownat import full_disk, running
from knownat.errors import KnownatError

log = logging.getLogger("knownat")

# What would phone home, or write where nobody asked, is off before any tool is imported.
QUIET = {
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "true",
    "FEAST_USAGE": "false",
    "ITERATIVE_DO_NOT_TRACK": "true",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TZ": "UTC",
}

Counts = Mapping[str, object]


def run_stage(name: str, main: Callable[..., Counts], *arguments: str) -> None:
    """Run a stage; its counts become one log line. Exit 1 with one sentence if it fails as a person can mend.

    It runs alone in its checkout and ends with the DVC that started it. `KNOWNAT_DEBUG=1` shows the frames instead.
    """
    prepare()
    started = time.monotonic()
    stage = " ".join([name, *arguments])
    try:
        with running.alone(stage):
            running.end_with_dvc(stage)
            counts = main(*arguments)
    except KnownatError as error:
        fail(error)
    except Exception as error:
        if sentence := full_disk.told(error):
            fail(KnownatError(sentence))
        raise
    log.info("%s %s", name, json.dumps({**counts, "seconds": round(time.monotonic() - started, 1)}, default=str))


def prepare() -> None:
    """Set the process up: quiet tools, UTC, log lines on standard error."""
    os.environ.update(QUIET)
    time.tzset()
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    logging.getLogger().handlers[0].setLevel(logging.ERROR)  # whatever a tool's import sets on its own logger
    if not log.handlers:
        log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    log.propagate = False
    if not os.environ.get("KNOWNAT_DEBUG"):
        warnings.simplefilter("ignore")  # of what other people's code will have to change some day


def fail(error: KnownatError) -> None:
    if os.environ.get("KNOWNAT_DEBUG"):
        raise error
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(1)
