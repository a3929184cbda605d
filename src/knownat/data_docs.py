"""Data Docs: Great Expectations' page of one result, which loads nothing and cannot be written to by the data."""

from __future__ import annotations

import datetime
from html import escape
from html.parser import HTMLParser
from typing import Any

from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

NEVER = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)  # a result does not say when it was found
SECTION = "{% set section_loop = {'index': index} %}{% include 'section.j2' %}"
RUN_INFO = "Run Info"  # of Great Expectations' sections, the one about the run
TRACEBACK = "Show exception traceback..."
NAMELESS = "<br> Data asset: None"

# what would be a tag in a value goes through the renderer as characters that no font has
VEIL = {ord("<"): "\ue000", ord(">"): "\ue001", ord("&"): "\ue002"}
UNVEIL = {0xE000: "&lt;", 0xE001: "&gt;", 0xE002: "&amp;"}

TAGS = {
    "div", "span", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "b", "pre", "code", "small",
}  # fmt: skip
RENAMED = {"h4": "h2", "h5": "h2", "h6": "h3"}
CLASSES = {"badge", "text-success", "text-danger", "table-responsive"}
ICONS = {"fa-check-circle": ("good", "✓"), "fa-times": ("bad", "✗"), "fa-exclamation-triangle": ("bad", "!")}
ATTRIBUTES = {"hidden", "colspan", "rowspan"}

STYLE = """\
:root { color-scheme: light dark; --ground: #fbfbfa; --panel: #fff; --ink: #1c1f23; --soft: #5a6069; --line: #e3e4e6;
  --a: #0067a5; --good: #1a6b43; --bad: #b3261e; --chip: #eef1f4; }
@media (prefers-color-scheme: dark) { :root { --ground: #131518; --panel: #1a1d21; --ink: #e6e7e9; --soft: #a2a8b0; --line: #2c3036;
  --a: #62b5ee; --good: #6cc795; --bad: #ff8a80; --chip: #262a30; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 2rem 4rem; max-width: 74rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 .3rem; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 0 0 .4rem; font-size: 1.15rem; }
h3 { margin: .8rem 0 .2rem; font-size: .95rem; }
p { margin: .2rem 0; }
a { color: var(--a); text-underline-offset: .2em; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin-top: 1rem; font-size: .9rem; }
section { margin-top: 2.6rem; }
.soft { color: var(--soft); }
table { width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: 400; }
th:first-child, td:first-child { padding-left: 0; }
thead th { color: var(--soft); font-size: .85rem; white-space: nowrap; }
table:has(thead[hidden]) { width: auto; }
thead th:first-child { width: 3.5rem; }
thead th:last-child { width: 11rem; }
td table { width: auto; margin: .4rem 0 .6rem; font-size: .86rem; }
td td, td thead th { width: auto; padding: .2rem 1rem .2rem 0; }
br + br { display: none; }
.table-responsive { overflow-x: auto; }
.badge, code { padding: .05rem .35rem; border-radius: 4px; background: var(--chip);
  font: .88em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
pre { white-space: pre-wrap; }
.good, .text-success { color: var(--good); font-weight: 600; }
.bad, .text-danger { color: var(--bad); font-weight: 600; }
@media (max-width: 40rem) { body { padding: 1.5rem 1.1rem 3rem; } th, td { padding: .4rem .35rem; }
  thead th { white-space: normal; overflow-wrap: normal; } thead th:last-child { width: 6.5rem; }
  td { overflow-wrap: break-word; } .badge, td:last-child { overflow-wrap: anywhere; } }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: what was expected and what was found</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="soft">What was expected of this data and what was found, as Great Expectations says it.</p>
<nav aria-label="Sections">
{links}
</nav>
</header>
<main>
{sections}
</main>
</body>
</html>
"""


def page(result: Any) -> str:
    """One page of HTML, the same for the same result: without moments and identifiers, which change from run to run."""
    sections = [section for section in _document(result)["sections"] if section["section_name"] != RUN_INFO]
    view = DefaultJinjaPageView()
    template = view.env.from_string(SECTION)
    links, bodies = [], []
    for index, section in enumerate(sections, 1):
        links.append(f'<a href="#section-{index}">{escape(section["section_name"])}</a>')
        html = template.render(section=section, index=index).replace(NAMELESS, "")
        bodies.append(f'<section id="section-{index}">\n{_Cleaner.clean(html).translate(UNVEIL)}\n</section>')
    title = escape(result.suite_name)
    return PAGE.format(title=title, style=STYLE, links="\n".join(links), sections="\n".join(bodies))


def _document(result: Any) -> dict[str, Any]:
    """What Great Expectations would show of the result, as plain data."""
    result.meta["run_id"] = RunIdentifier(run_name="knownat", run_time=NEVER)
    result.meta["batch_markers"] = {}
    for found in result.results:
        found.result = _veiled(found.result)
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(result).to_json_dict()
    return dict(_shown(document))


def _veiled(value: Any) -> Any:
    """Plain values for the renderer, which takes no number of numpy's and does not escape all that it shows."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {_veiled(key): _veiled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_veiled(item) for item in value]
    return value.translate(VEIL) if isinstance(value, str) else value


def _shown(content: Any) -> Any:
    """The document without what only a script can draw, and without the folders of this machine."""
    if isinstance(content, dict):
        if content.get("content_block_type") == "graph" or content.get("collapse_toggle_link") == TRACEBACK:
            return ""
        return {key: _shown(value) for key, value in content.items()}
    return [_shown(item) for item in content] if isinstance(content, list) else content


class _Cleaner(HTMLParser):
    """Keeps a few tags and classes of a piece of HTML; any other tag is what the data says, and is shown as text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self.open: list[str] = []

    @classmethod
    def clean(cls, html: str) -> str:
        cleaner = cls()
        cleaner.feed(html)
        cleaner.close()
        cleaner.parts += [f"</{tag}>" for tag in reversed(cleaner.open)]
        lines = (line.strip() for line in "".join(cleaner.parts).splitlines())
        return "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        if tag in TAGS or tag in RENAMED:
            kept = [name for name in classes if name in CLASSES]
            shown = ([("class", " ".join(kept))] if kept else []) + [(k, v or "") for k, v in attrs if k in ATTRIBUTES]
            name = RENAMED.get(tag, tag)
            self.open.append(name)
            attributes = "".join(f' {key}="{escape(value)}"' for key, value in shown)
            self.parts.append(f"<{name}{attributes}>")
        elif tag == "br":
            self.parts.append("<br>")
        elif tag == "i" and "fas" in classes:
            self.parts += [f'<span class="{kind}">{sign}</span>' for icon, (kind, sign) in ICONS.items() if icon in classes]
        elif tag not in {"a", "i", "hr"}:
            self.parts.append(escape(self.get_starttag_text() or ""))

    def handle_endtag(self, tag: str) -> None:
        name = RENAMED.get(tag, tag)
        if name in self.open:
            while self.open:
                self.parts.append(f"</{self.open[-1]}>")
                if self.open.pop() == name:
                    break
        elif tag not in {"a", "i"}:
            self.parts.append(escape(f"</{tag}>"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in TAGS or tag in RENAMED:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(escape(data))

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self.parts.append(escape(f"<!--{data}-->"))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(escape(f"<!{decl}>"))

    def handle_pi(self, data: str) -> None:
        self.parts.append(escape(f"<?{data}>"))

    def unknown_decl(self, data: str) -> None:
        self.parts.append(escape(f"<![{data}]>"))
