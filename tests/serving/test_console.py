"""The console page in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serving_project import LAUNCH, Served, closed_event, open_events, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium here (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, endpoint: Served) -> Iterator[Page]:
    """The page, opened; at the end nothing was asked of any other server, and nothing complained."""
    opened, complaints, asked = browser.new_page(), list[str](), list[str]()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(endpoint.url + "/")
    yield opened
    opened.close()
    assert all(url.startswith(endpoint.url) for url in asked), asked
    # a browser notes each 4xx that a page asked for
    assert not [text for text in complaints if "the server responded with a status of 4" not in text]


def fill(page: Page) -> None:
    for name, value in LAUNCH.items():
        control = page.locator(f"[name={name}]")
        text = str(value).removesuffix("Z")
        control.select_option(text) if control.evaluate("c => c.tagName") == "SELECT" else control.fill(text)


def is_ready(page: Page) -> None:
    """Wait for it; a predicate in the page's own script would be an `eval`, which its policy forbids."""
    from playwright.sync_api import expect

    expect(page.locator("#health")).to_have_text("ready", timeout=30_000)


def test_a_filled_form_is_answered_with_what_the_answer_stands_on(page: Page, endpoint: Served) -> None:
    """The probability is `/predict`'s own; each input is there with value, status, age and contribution, largest first."""
    fill(page)
    page.get_by_role("button", name="Predict from fields").click()
    page.wait_for_selector("#answer:not([hidden])")
    answer = endpoint.predict(fields=LAUNCH, explain=True).json()
    assert page.locator("#probability").inner_text() == f"{answer['probability'] * 100:.1f} %"
    page.locator("#more summary").click()
    names = page.locator("#answer tbody th").all_inner_texts()
    expected = sorted(answer["contributions"], key=lambda name: -abs(answer["contributions"][name]))
    assert names == expected
    assert page.locator("#answer tbody tr").first.locator("svg").get_attribute("aria-label")
    assert "1,000" not in page.locator("#answer tbody tr").first.inner_text()


def test_an_open_event_is_asked_by_its_id(page: Page, endpoint: Served, served_once: Path) -> None:
    [key] = open_events(served_once, 1)
    page.get_by_label("Id of a stored project").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.locator("#probability").inner_text() == f"{endpoint.predict(id=key).json()['probability'] * 100:.1f} %"
    assert page.locator("#as-of").inner_text() == "2018-01-03 00:00:00 UTC"


def test_an_error_stands_at_its_field_and_has_the_focus(page: Page, served_once: Path) -> None:
    """A bound that is broken, and a closed event: the sentence is the endpoint's own."""
    fill(page)
    page.locator("[name=usd_goal_real]").fill("0")
    page.get_by_role("button", name="Predict from fields").click()
    page.wait_for_selector("#e-usd_goal_real:not(:empty)")
    assert "below 0.01" in page.locator("#e-usd_goal_real").inner_text()
    assert page.evaluate("document.activeElement.name") == "usd_goal_real"
    assert page.locator("[name=usd_goal_real]").get_attribute("aria-invalid") == "true"
    page.locator("#event-id").fill(closed_event(served_once))
    page.get_by_role("button", name="Predict by id").click()
    page.wait_for_selector("#id-error:not(:empty)")
    assert "is closed since" in page.locator("#id-error").inner_text()
    assert page.locator("#e-usd_goal_real").inner_text() == ""


def test_health_traffic_clock_and_model_are_shown(page: Page, endpoint: Served) -> None:
    is_ready(page)
    assert "2018-01-03 00:00" in page.locator("#clock").inner_text()
    assert page.locator("#lag").inner_text() == "up to date"
    assert endpoint.predict(fields=LAUNCH).json()["model"] in page.locator("main").inner_text()


def test_the_page_works_by_keyboard_and_every_control_has_a_label(page: Page) -> None:
    fill(page)
    page.locator("#event-id").focus()
    for _ in range(40):
        if page.evaluate("document.activeElement.textContent") == "Predict from fields":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer:not([hidden])")
    unlabelled = "[...document.querySelectorAll('input,select')].filter(c => !c.labels.length).map(c => c.name)"
    assert page.evaluate(unlabelled) == []
    assert page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)") == ["H1", "H2", "H2", "H2"]


def test_a_narrow_window_does_not_scroll_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.get_by_role("button", name="Predict from fields").click()
    page.wait_for_selector("#answer:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_guarded_endpoint_asks_for_the_key(browser: Browser, project: Path) -> None:
    """The page itself is open; with the key it predicts, and the key stays in the session."""
    key = "a-key-of-some-length"
    with serving(project, env={"KNOWNAT_API_KEY": key}, key=key) as served:
        page = browser.new_page()
        page.goto(served.url + "/")
        page.wait_for_selector("#key-form:not([hidden])")
        page.get_by_label("This endpoint asks for an API key").fill(key)
        page.get_by_role("button", name="Use it").click()
        is_ready(page)
        page.get_by_role("button", name="Predict from fields").click()
        page.wait_for_selector("#answer:not([hidden])")
        page.close()


def test_status_counts_what_was_asked(endpoint: Served) -> None:
    before = endpoint.client.get("/status").json()
    endpoint.predict(fields=LAUNCH)
    after = endpoint.client.get("/status").json()
    assert after["predictions"] == before["predictions"] + 1
    assert after["ready"]
    assert after["store_lag_seconds"] == 0
    assert after["predict_seconds"]["p50"] <= after["predict_seconds"]["p99"]
