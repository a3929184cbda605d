"""Data Docs load nothing, say what Great Expectations found, and cannot be written to by the data."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from knownat.derive.expectations import Expectation

HOSTILE = (
    "</td></table><script>alert(1)</script>\"'&amp;<img src=https://far.away/x onerror=alert(1)><!-- <meta http-equiv=refresh>"
)
WORD = "words"


def expected(kind: str, **kwargs: Any) -> Expectation:
    return {"type": kind, "kwargs": kwargs, "meta": {"severity": "block", "reason": HOSTILE}}


SUITE = [
    expected("expect_table_row_count_to_be_between", min_value=1),
    expected("expect_column_values_to_be_in_set", column=WORD, value_set=["a", HOSTILE[:5]]),
    expected("expect_column_values_to_match_regex", column=WORD, regex="^(?<!x)a"),
    expected("expect_column_values_to_be_between", column="numbers", min_value=0, max_value=2),
    expected("expect_column_kl_divergence_to_be_less_than", column=WORD, partition_object={"values": ["a"], "weights": [1.0]}, threshold=1),
    expected("expect_column_max_to_be_between", column="nowhere", min_value=1),
]  # fmt: skip


def page() -> str:
    from knownat.data_docs import page
    from knownat.expectation_engine import judge

    frame = pd.DataFrame({WORD: ["a", HOSTILE, "c"], "numbers": [1.0, 2.0, None]})
    return page(judge("things", frame, SUITE)[1])


class Outline(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ends: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.ends.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_nothing_is_loaded_and_no_link_leaves_the_page(text: str) -> None:
    """No element fetches, and the page forbids it: there is no address in any attribute or style."""
    outline = Outline(text)
    assert not {tag for tag, _ in outline.tags} & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert [a["content"] for tag, a in outline.tags if "http-equiv" in a] == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    ]
    for tag, attributes in outline.tags:
        assert set(attributes) <= {
            "class",
            "id",
            "href",
            "hidden",
            "lang",
            "charset",
            "name",
            "content",
            "http-equiv",
            "aria-label",
        }
        assert (attributes.get("href") or "#").startswith("#"), tag
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"https?://|@import|url\(", style)


def test_a_value_that_is_html_is_shown_and_never_obeyed(text: str) -> None:
    """It stands there as it is in the data, and every tag that is opened is closed."""
    outline = Outline(text)
    assert HOSTILE in outline.words
    void = {"meta", "br"}
    assert sorted(tag for tag, _ in outline.tags if tag not in void) == sorted(outline.ends)


def test_it_says_what_was_expected_and_what_was_found(text: str) -> None:
    """Great Expectations' sentence, its counts, and what raised, by column."""
    words = " ".join(Outline(text).words.split())
    assert "Must have greater than or equal to 1 rows. 3" in words
    assert "values must match this regular expression: ^(?<!x)a. 2 unexpected values found" in words
    assert "less than or equal to 2.0. 0% unexpected" in words
    assert 'The column "nowhere" in BatchData does not exist' in words
    assert words.index("Overview") < words.index("Table-Level") < words.index("nowhere")


def test_the_same_result_gives_the_same_bytes(text: str) -> None:
    """There is no moment, no identifier and no folder of this machine in it."""
    assert page() == text
    assert not re.search(r"site-packages|[0-9a-f]{8}-[0-9a-f]{4}-|20\d\d-\d\d-\d\dT", text)


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: apt-get install chromium")
def test_a_browser_asks_nobody_and_finds_nothing_wrong(tmp_path: Path, text: str) -> None:
    """Opened from a folder, the page makes no request beyond itself and logs no error; on a phone nothing sticks out."""
    (tmp_path / "page.html").write_text(text)
    measure = "document.title = this.contentDocument.documentElement.scrollWidth"
    (tmp_path / "frame.html").write_text(f'<iframe width="390" height="900" src="page.html" onload="{measure}"></iframe>')
    log = tmp_path / "net.json"
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files",
        "--enable-logging=stderr", f"--log-net-log={log}", f"--user-data-dir={tmp_path / 'browser'}",
        "--virtual-time-budget=2000", "--dump-dom",
    ]  # fmt: skip
    command = ["chromium", *options, (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(re.findall(r"<title>(\d+)</title>", done.stdout)[0]) <= 390
    assert "CONSOLE" not in done.stderr
    assert "far.away" not in log.read_text()
