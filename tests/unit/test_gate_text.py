"""What `knownat gates` says of the gates' results, and when it ends in an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from knownat import gate_text, paths
from knownat.cli import app
from knownat.files import write_json


def result(success: bool | None, **more: Any) -> dict[str, Any]:
    expectation = {"type": "expect_column_values_to_not_be_null", "kwargs": {}, "meta": {}}
    found = '{"unexpected_count": 2, "element_count": 40}'
    named = {"asset": "orders", "column": "price", "reason": "a price <b> is known"}
    return {**named, "success": success, "found": found, "expectation": expectation, **more}


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, **results: list[dict[str, Any]]) -> None:
    monkeypatch.chdir(folder)
    for name in ("raw", "features", "training_set"):
        write_json(paths.result(name), results.get(name, [result(True)]))


@pytest.mark.parametrize(
    ("results", "ended", "said"),
    [
        ([result(True)], 0, "raw: 1 of 1 hold"),
        ([result(True), result(False)], 1, "raw: 1 of 2 hold, 1 fails"),
        ([result(False, severity="block")], 1, "raw: 0 of 1 hold, 1 fails"),
        ([result(True), result(False, severity="warn")], 0, "raw: 1 of 2 hold, 1 warns"),
        ([result(True), result(None)], 0, "raw: 1 of 2 hold, 1 not compared"),
        ([], 1, "raw: no result, which counts as a failure"),
    ],
)
def test_what_blocks_ends_in_an_error_and_a_warning_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[dict[str, Any]], ended: int, said: str
) -> None:
    """An expectation blocks unless it says that it warns; a gate without a result blocks."""
    written(tmp_path, monkeypatch, raw=results)
    done = CliRunner().invoke(app, ["gates"])
    assert done.exit_code == ended
    assert said in done.stdout


def test_each_failure_says_where_why_and_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place, the reason and the evidence in words; in Markdown as text, whatever they hold."""
    written(tmp_path, monkeypatch, features=[result(False)])
    [line] = gate_text.details(gate_text.tallies()[1])
    assert line == "fails: orders.price: a price <b> is known (2 of 40 unexpected; expect_column_values_to_not_be_null)"
    assert "a price &#60;b&#62; is known" in gate_text.as_markdown(gate_text.tallies())


def test_a_gate_that_left_no_result_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is not there is no pass."""
    written(tmp_path, monkeypatch)
    paths.result("training_set").unlink()
    assert [tally.is_open for tally in gate_text.tallies()] == [True, True, False]
