"""The report is one page that needs nothing else, adds up, and cannot be written to by the data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from knownat import paths
from knownat.accepted import Accepted, identity
from knownat.data_sets import measured
from knownat.declaration import Declaration
from knownat.encoder import Category, Encoder, Number
from knownat.errors import KnownatError
from knownat.files import write_json, write_text
from knownat.params import Params
from knownat.parquet import content_hash, write_table
from knownat.report.histograms import of_numbers, of_words, shift
from knownat.report.numbers import count, share, significant
from knownat.report.seen import shown_sets
from knownat.report.svg import ticks
from knownat.stages import report

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
DECLARATION: dict[str, Any] = {
    "tables": {
        "loans": {
            "key": ["loan"],
            "known_at": "asked_at",
            "columns": {
                "loan": {"dtype": "string"},
                "asked_at": {"dtype": "timestamp"},
                "due_at": {"dtype": "timestamp"},
                "amount": {"dtype": "float64"},
                "months": {"dtype": "int64"},
                "purpose": {"dtype": "string"},
                "branch": {"dtype": "string"},
                "is_first": {"dtype": "bool"},
                "paid": {"dtype": "float64", "known_at": "due_at"},
                "part": {"dtype": "float64", "expr": "paid / amount"},
                "repaid": {"dtype": "bool", "known_at": "due_at"},
            },
        }
    },
    "entities": {"loan": "loan"},
    "event": {"table": "loans", "entity": "loan"},
    "label": {"name": "is_repaid", "expr": "repaid", "description": f"Was it paid back? {HOSTILE}"},
    "views": {
        "request": {
            "description": HOSTILE,
            "entity": "loan",
            "known_at": "asked_at",
            "features": {
                "amount": {"dtype": "float64", "description": HOSTILE},
                "months": {"dtype": "int64"},
                "purpose": {"dtype": "string"},
                "branch": {"dtype": "string"},
                "is_first": {"dtype": "bool"},
                "rating": {"dtype": "float64", "expr": "part * 5"},
            },
        }
    },
    "services": {
        "asking": {
            "description": f"Will it be repaid? {HOSTILE}",
            "as_of": "asked_at",
            "views": ["request"],
            "waivers": {"request__rating": f"The bank asks for it {HOSTILE}"},
        }
    },
}
PARAMS = """
sources: {loans: {uri: loans.csv, observed_at: 2024-12-31}}
service: asking
split: {validation_from: 2024-06-01, test_from: 2024-09-01}
train:
  {batch_size: 8, learning_rate: 0.01, epochs: 3, layers: [4], embedding: 2, dropout: 0, l2: 0, patience: 1, seed: 0}
"""
START = datetime(2024, 1, 1, tzinfo=UTC)
SCORES = {
    "auc": 0.7512, "accuracy": 0.6901, "pr_auc": 0.66, "log_loss": 0.581, "brier": 0.2, "calibration_error": 0.03,
    "majority": {"accuracy": 0.5814, "log_loss": 0.68}, "label_rate": 0.4186, "rows": 90, "auc_low": 0.6512, "auc_high": 0.8512,
    "peer": {"auc": 0.7401, "auc_gap_low": -0.0123, "auc_gap_high": 0.0345, "accuracy": 0.68, "pr_auc": 0.65, "log_loss": 0.59,
             "brier": 0.21, "calibration_error": 0.04},
}  # fmt: skip
IMPORTANCE = "input,auc_loss,auc_loss_low,auc_loss_high\n"
PART = "rows,label_rate,auc,auc_low,auc_high,log_loss,accuracy"
QUOTED = '"' + HOSTILE.replace('"', '""') + '"'
SLICES = (
    f"slice,input,value,{PART}\n{QUOTED},request__purpose,{QUOTED},60,0.4,0.6,0.5,0.7,0.6,0.6\n"
    "a,request__purpose,car,70,0.4,0.8,0.7,0.9,0.5,0.7\nb,request__purpose,,70,0.4,0.7,0.6,0.8,0.5,0.7\n"
)
QUARTERS = f"quarter,{PART},peer_auc\n2024-Q3,60,0.4,0.75,0.65,0.85,0.6,0.6,0.7\n2024-Q4,60,0.4,0.7,0.6,0.8,0.6,0.6,0.72\n"
INPUTS = [
    Number(name="request__amount", dtype="float64", kind="log", mean=0, std=1, has_missing=True),
    Number(name="request__months", dtype="int64", kind="scale", mean=0, std=1, has_missing=False),
    Category(name="request__purpose", dtype="string", kind="index", vocabulary=["car", HOSTILE]),
    Category(name="request__branch", dtype="string", kind="one_hot", vocabulary=["north"]),
    Number(name="request__is_first", dtype="bool", kind="flag", mean=0, std=1, has_missing=False),
    Number(name="request__rating", dtype="float64", kind="scale", mean=0, std=0, has_missing=True),
]


def events() -> pa.Table:
    """A loan a day of 2024: every tenth without a label, each label known 30 days later."""
    asked = [START + timedelta(days=day) for day in range(366)]
    label = [None if day % 10 == 0 else day % 3 == 0 for day in range(366)]
    known = [at + timedelta(days=30) for at in asked]
    times = pa.timestamp("us", tz="UTC")
    columns = {"asked_at": pa.array(asked, times), "is_repaid": label, "label_known_at": pa.array(known, times)}
    return pa.table({**columns, "paid": [100.0] * 366})


def training_set(embargo: timedelta = timedelta()) -> pa.Table:
    """What `retrieve` makes of these loans; one purpose is hostile, one column has one value, one has none."""
    splits = []
    for row in events().to_pylist():
        asked, known = row["asked_at"], row["label_known_at"]
        split = "train" if asked < START.replace(month=6) else "validation" if asked < START.replace(month=9) else "test"
        latest = {"train": START.replace(month=6), "validation": START.replace(month=9)}
        late = split in latest and known >= latest[split] - embargo
        if row["is_repaid"] is not None and known <= START.replace(month=12, day=31) and not late:
            splits.append(split)
    rows = range(len(splits))
    columns = {
        "split": splits,
        "is_repaid": [n % 3 == 0 for n in rows],
        "request__amount": [None if n % 9 == 0 else 100.0 * (n + 1) for n in rows],
        "request__months": [n % 5 for n in rows],
        "request__purpose": [HOSTILE if n % 4 == 0 else "car" for n in rows],
        "request__branch": ["north" for _ in rows],
        "request__is_first": [n % 2 == 0 for n in rows],
    }
    return pa.table({**columns, "request__rating": pa.nulls(len(splits), pa.float64())})


def request() -> pa.Table:
    """The feature view, with a hostile purpose."""
    return pa.table({"loan_id": ["1", "2", "3"], "purpose": [HOSTILE, HOSTILE, "car"], "amount": [1.0, 2.0, None]})


def result(gate: str, *, success: bool = True) -> dict[str, Any]:
    found = json.dumps({"unexpected_count": 0 if success else 1234, "element_count": 5678})
    expectation = {"type": "expect_column_values_to_not_be_null", "kwargs": {}, "meta": {}}
    reason = f"{HOSTILE} never missing in {gate}"
    return {
        "asset": "loans",
        "column": "loan",
        "reason": reason,
        "success": success,
        "found": found,
        "expectation": expectation,
    }


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the stages before have written."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("params.yaml"), PARAMS)
    write_text(paths.compiled("report"), Declaration.model_validate(DECLARATION).model_dump_json(by_alias=True))
    quarantined = {f"amount: {HOSTILE}": 1200, "months: missing": 34}
    account = {"rejected": 0, "quarantined": quarantined, "duplicates": 7, "filtered": {"big": 3}, "kept": 366}
    write_json(paths.ROWS, {"tables": {"loans": {"read": 1610, **account}}, "views": {"request": 366}})
    for gate in ("raw", "features", "training_set"):
        write_json(paths.result(gate), [result(gate)])
    write_table(events(), paths.TABLES / "loans" / "part-00000.parquet")
    write_table(request(), paths.VIEWS / "request" / "part-00000.parquet")
    write_table(training_set(), paths.TRAINING_SET)
    write_text(paths.ENCODER, Encoder(service="asking", label="is_repaid", inputs=INPUTS).model_dump_json())
    write_text(paths.MODEL, "model")
    for split in ("train", "validation"):
        write_text(paths.CURVES / f"plots/metrics/loss/{split}.tsv", f"step\t{split}\n0\t0.7\n1\t0.61\n2\t0.63\n")
    write_json(paths.EVALUATION, {"validation": SCORES, "test": SCORES})
    write_text(paths.PLOTS / "roc.csv", "false_positive_rate,model,peer\n0,0,0\n0.25,0.5,0.45\n1,1,1\n")
    write_text(paths.PLOTS / "precision_recall.csv", "recall,precision\n0,1\n1,0.4186\n")
    write_text(paths.PLOTS / "calibration.csv", "predicted,actual\n0.1,0.2\n0.9,0.8\n")
    write_text(paths.PLOTS / "threshold.csv", "threshold,precision,recall,accuracy\n0,0.4,1,0.4\n0.9,1,0.1,0.6\n")
    write_text(paths.PLOTS / "importance.csv", f"{IMPORTANCE}request__amount,0.2,0.15,0.25\nrequest__months,-0.001,-0.002,0\n")
    write_text(paths.PLOTS / "slices.csv", SLICES)
    write_text(paths.PLOTS / "quarters.csv", QUARTERS)
    write_text(paths.SERVICES, f"service,as_of,{PART}\nasking,asked_at,90,0.4,0.75,0.65,0.85,0.6,0.7\n")
    write_text(paths.PLOTS / "confusion.csv", "actual,predicted\n" + 1001 * "true,false\n")
    return tmp_path


class Outline(HTMLParser):
    """The tags, attributes and visible words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def page() -> str:
    report.main()
    return paths.REPORT_PAGE.read_text()


def data_page(name: str) -> str:
    report.main()
    return (paths.REPORT / "data" / f"{name}.html").read_text()


def rows_of(words: str) -> dict[str, list[int]]:
    """The sums on the page: what each is of → total and parts."""
    numbers = [[int(n.replace(",", "")) for n in re.findall(r"(?<![\w-])\d[\d,]*(?![\w-])", line)] for line in words.splitlines()]
    lines = zip(words.splitlines(), numbers, strict=True)
    return {re.sub(r"^[\d,]+ (.*?) = .*", r"\1", line): found for line, found in lines if re.match(r"[\d,]+ .* = ", line)}


@pytest.mark.usefixtures("pipeline")
def test_the_page_needs_nothing_but_itself() -> None:
    """No element or style of any page fetches anything, and each link leads to a page of the report or a place in one."""
    write_text(paths.RESULTS / "features" / "loans.html", "<h1>loans</h1>")
    report.main()
    pages = [paths.REPORT_PAGE, *sorted((paths.REPORT / "data").iterdir())]
    assert [path.stem for path in pages] == ["index", "loans", "request", "training_set"]
    linked = set()
    for path in pages:
        text = path.read_text()
        outline = Outline(text)
        ids = {attributes.get("id") for _, attributes in outline.tags}
        for tag, attributes in outline.tags:
            assert tag not in {"script", "link", "img", "iframe", "object", "base"}
            assert "src" not in attributes
            place, _, anchor = (attributes.get("href") or "").partition("#")
            assert not anchor or anchor in ids
            linked |= {(path.parent / place).resolve()} if place else set()
        assert not re.search(r"https?://|@import|url\(", text)
    assert all(path.is_file() for path in linked)
    documents = (Path("report/gates/features/loans.html"), *pages)
    assert linked == {path.resolve() for path in documents}


def test_the_same_content_gives_the_same_bytes_wherever_it_lies(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages say neither when nor where they were made."""
    first = page(), data_page("loans"), data_page("training_set")
    copy = pipeline.with_name("another_place")
    shutil.copytree(pipeline, copy)
    monkeypatch.chdir(copy)
    assert (page(), data_page("loans"), data_page("training_set")) == first
    assert not any(str(pipeline) in text for text in first)


@pytest.mark.usefixtures("pipeline")
def test_hostile_text_is_shown_and_never_obeyed() -> None:
    """A description, a reason, a category or a finding that is HTML appears as text, in attributes too."""
    for text, least in ((page(), 8), (data_page("request"), 2), (data_page("training_set"), 3)):
        assert "<script" not in text
        assert "<img" not in text
        outline = Outline(text)
        assert outline.words.count(HOSTILE) >= least
        assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]


@pytest.mark.usefixtures("pipeline")
def test_the_rows_add_up_on_the_page() -> None:
    """Each printed sum comes out, and they link from read over kept to the splits."""
    sums = rows_of(Outline(page()).words)
    assert list(sums) == ["read", "kept", "in the training set"]
    for total, *parts in sums.values():
        assert total == sum(parts)
    assert sums["read"][:2] == [1610, 366]
    assert sums["kept"][:2] == [366, len(training_set())]
    assert sums["in the training set"][0] == len(training_set())


@pytest.mark.parametrize(
    ("embargo", "train", "validation", "counts"),
    [
        ("null", "before 2024-06-01", "before 2024-09-01", (27, 27)),
        ("7d", "before 2024-05-25 (embargo: 7d)", "before 2024-08-25 (embargo: 7d)", (33, 33)),
    ],
)
@pytest.mark.usefixtures("pipeline")
def test_rows_that_were_held_back_are_counted_with_the_embargo(
    embargo: str, train: str, validation: str, counts: tuple[int, int]
) -> None:
    """The page says how many came too late for train and for validation, and until when they would not have."""
    write_text(Path("params.yaml"), PARAMS.replace("test_from: 2024-09-01", f"test_from: 2024-09-01, embargo: {embargo}"))
    write_table(training_set(timedelta(days=7 if embargo == "7d" else 0)), paths.TRAINING_SET)
    words = Outline(page()).words
    assert f"{counts[0]} too late to train on: label not known {train} + " in words
    assert f"{counts[1]} too late to validate on: label not known {validation}\n" in words
    total, *parts = rows_of(words)["kept"]
    assert total == sum(parts)


@pytest.mark.usefixtures("pipeline")
def test_rows_that_do_not_add_up_are_refused() -> None:
    """An account that is one row short, or of another run than the training set, makes no page."""
    account = json.loads(paths.ROWS.read_text())
    account["tables"]["loans"]["read"] += 1
    write_json(paths.ROWS, account)
    with pytest.raises(KnownatError, match=r"rows\.json: the rows of table loans do not add up; run `dvc repro preprocess`"):
        report.main()
    account["tables"]["loans"]["read"] -= 1
    write_json(paths.ROWS, account)
    write_table(training_set().slice(1), paths.TRAINING_SET)
    with pytest.raises(KnownatError, match=r"not of one run.*run `dvc repro retrieve`"):
        report.main()
    assert not paths.REPORT.exists()


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        (paths.compiled("report"), "compile"),
        (paths.ROWS, "preprocess"),
        (paths.TABLES / "loans", "preprocess"),
        (paths.VIEWS / "request", "preprocess"),
        (paths.result("raw"), "validate_raw"),
        (paths.result("training_set"), "validate_training_set"),
        (paths.TRAINING_SET, "retrieve"),
        (paths.ENCODER, "encode"),
        (paths.MODEL, "train"),
        (paths.CURVES / "plots/metrics/loss/validation.tsv", "train"),
        (paths.EVALUATION, "evaluate"),
        (paths.PLOTS / "confusion.csv", "evaluate"),
        (paths.PLOTS / "slices.csv", "evaluate"),
        (paths.SERVICES, "compare"),
    ],
)
@pytest.mark.usefixtures("pipeline")
def test_a_missing_file_is_named_with_the_command_that_makes_it(path: Path, stage: str) -> None:
    """Whatever is missing, the sentence says which file, and what to run."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(KnownatError, match=rf"^{re.escape(str(path))} is missing; run `dvc repro {stage}`"):
        report.main()


@pytest.mark.usefixtures("pipeline")
def test_the_scores_stand_with_interval_peer_and_majority() -> None:
    """The AUC's interval below it, the peer's and the majority's numbers beside it, and what the gap to the peer may be."""
    words = " ".join(Outline(page()).words.split())
    assert "0.5 is chance0.7510.651 to 0.8510.7510.651 to 0.8510.740–" in words
    assert "Our AUC less the peer's is between −0.012 and 0.035" in words


@pytest.mark.usefixtures("pipeline")
def test_slices_stand_best_first_beside_the_whole_split() -> None:
    """Each with its AUC and rows; a missing value has a name; hostile values are words."""
    words = Outline(page()).words
    slices = words[words.index("AUC by request__purpose") :]
    assert slices.startswith("AUC by request__purpose, beside 0.751 of the whole test split")
    assert slices.index("car0.800, 70 rows") < slices.index("missing0.700, 70 rows") < slices.index(f"{HOSTILE}0.600, 60 rows")


@pytest.mark.parametrize(("plot", "heading"), [("slices", "Slices"), ("quarters", "Over time"), ("services", "Hindsight")])
@pytest.mark.usefixtures("pipeline")
def test_where_no_part_has_enough_rows_there_is_no_picture(plot: str, heading: str) -> None:
    """A file with its header alone, and the page does without."""
    assert f"<h3>{heading}</h3>" in page()
    path = paths.PLOTS / f"{plot}.csv"
    write_text(path, path.read_text().splitlines()[0] + "\n")
    assert f"<h3>{heading}</h3>" not in page()


@pytest.mark.usefixtures("pipeline")
def test_failures_come_first_with_reason_and_evidence() -> None:
    """A failed expectation stands above the table of its gate and above all that held."""
    write_json(paths.result("features"), [result("features"), result("features", success=False)])
    words = Outline(page()).words
    gate = words[words.index("features: ") : words.index("training_set: ")]
    assert "1 of 2 expectations failed" in gate
    failed, held = "1,234 of 5,678 unexpected", "0 of 5,678 unexpected"
    assert gate.index(failed) < gate.index("held") < gate.rindex(failed) < gate.index(held)
    assert "raw: 1 of 1 expectations hold" in words


@pytest.mark.usefixtures("pipeline")
def test_a_warning_is_named_with_its_count_and_does_not_block() -> None:
    """What warns stands above the table with counts and examples; what was not compared says why; neither has failed."""
    found = json.dumps({"unexpected_count": 207, "element_count": 20000, "partial_unexpected_list": ['N,0"']})
    warned = result("raw", success=False) | {"severity": "warn", "found": found}
    skipped = result("raw") | {"severity": "warn", "success": None, "found": "no accepted version; run `knownat accept` first."}
    write_json(paths.result("raw"), [result("raw"), warned, skipped])
    words = Outline(page()).words
    gate = words[words.index("raw: ") : words.index("features: ")]
    assert gate.startswith("raw: 1 of 3 expectations hold, 1 warns, 1 not compared\n")
    assert gate.index('207 of 20,000 unexpected; such as N,0"') < gate.index("assetallheldwarnedblocked")
    assert "1 not compared: no accepted version; run knownat accept first.\n" in gate
    assert "failed" not in gate
    assert re.search(r"loans1 not compared3110\n", gate), gate


@pytest.mark.usefixtures("pipeline")
def test_a_failure_that_does_not_say_how_severe_it_is_blocks() -> None:
    """Only the word `warn` makes a failure a warning."""
    write_json(paths.result("raw"), [result("raw", success=False), result("raw", success=False) | {"severity": "block"}])
    assert "raw: 2 of 2 expectations failed" in Outline(page()).words


@pytest.mark.usefixtures("pipeline")
def test_a_data_set_has_a_page_with_what_is_in_each_column() -> None:
    """Hash, rows, what is missing, quantiles, the most frequent values with their label rate, but not the label's own."""
    words = " ".join(Outline(data_page("training_set")).words.split())
    assert content_hash(paths.TRAINING_SET) in words
    assert f"Rows{len(training_set())}nothing to compare with" in words
    amount = words[words.index("request__amount float64") :]
    assert re.match(r"request__amount float64 <script>.*?[0-9]+ distinct, 28 missing", amount), amount[:200]
    label = words[words.index("is_repaid bool") : words.index("request__amount float64")]
    assert "valuerows false" in label
    assert "valuerowslabel rate false" in words[words.index("request__is_first bool") :]
    assert "rating" in words
    assert "no value" in words


@pytest.mark.usefixtures("pipeline")
def test_a_table_says_which_columns_are_known_later() -> None:
    """Beside the profile stands when a column is known, where that is later than its row."""
    words = Outline(data_page("loans")).words
    assert re.search(r"paid float64\W+1 distinct.*Known only at due_at\.", words)


@pytest.mark.usefixtures("pipeline")
def test_without_an_accepted_version_it_says_that_nothing_is_compared() -> None:
    """The report and each page name the remedy."""
    assert Outline(page()).words.count("no accepted version of this source and size; knownat accept makes this one the first") == 3
    assert "no accepted version of this source and size; knownat accept makes" in Outline(data_page("request")).words


@pytest.mark.usefixtures("pipeline")
def test_what_has_changed_since_the_accepted_version_is_shown() -> None:
    """The same data is the accepted version itself; other data says how many rows and which columns changed, and how."""
    declaration, params = Declaration.read(paths.compiled("report")), Params.load()
    found = {
        (d.gate, d.name, identity(params, declaration, d.gate, d.name)): measured(d, "is_repaid").version
        for d in shown_sets(declaration)
    }
    write_text(paths.ACCEPTED, Accepted().replaced({}, found).text())
    assert Outline(page()).words.count("the accepted version itself") == 3
    write_table(training_set().set_column(3, "request__months", pa.array([7] * len(training_set()))), paths.TRAINING_SET)
    words = Outline(page()).words
    assert f"{len(training_set())} rows as before, 1 of 8 columns changed" in words
    assert "request__months: median 2 → 7" in words
    assert "Since the accepted version: median 2 → 7." in Outline(data_page("training_set")).words


@pytest.mark.usefixtures("pipeline")
def test_the_audit_says_where_each_input_comes_from_and_what_is_waived() -> None:
    """A path column by column with its moment, a waiver with its reason and what it excuses; nothing else stands out."""
    words = Outline(page()).words
    audit = words[words.index("inputs derive from") - 4 : words.index("Fitted on train")]
    assert "6 inputs derive from 6 columns of the data" in audit
    assert "but for 1 that is waived" in audit
    rating = audit[audit.index("rating") :]
    assert re.match(r"rating\W*part ← paid\W*part ← amount\W*due_at\W*asked_at\W*waived: The bank asks for it", rating), rating
    assert "known at due_at, later than asked_at" in rating
    assert audit.count("waived") == 2
    assert audit.count("none") == 5
    assert re.search(r"months\W*months\W*asked_at\W*none", audit)


@pytest.mark.usefixtures("pipeline")
def test_nothing_quarantined_reads_as_nothing() -> None:
    """A clean table keeps its steps, at 0, and its sum has one part."""
    clean = {"read": 366, "rejected": 0, "quarantined": {}, "duplicates": 0, "filtered": {}, "kept": 366}
    write_json(paths.ROWS, {"tables": {"loans": clean}, "views": {"request": 366}})
    words = Outline(page()).words
    assert "366 read = 366 kept\n" in words
    assert "quarantined0" in words


@pytest.mark.usefixtures("pipeline")
def test_a_column_without_values_and_one_with_one_value_are_told_apart() -> None:
    """All missing: no histogram and no mean; one category: all of the rows are in it."""
    words = Outline(page()).words
    rating = words[words.index("rating", words.index("Model inputs")) :]
    assert rating.index("no value in train") < 80
    assert "100\N{NO-BREAK SPACE}%" in rating[:60]
    assert "north 100\N{NO-BREAK SPACE}%" in words


@pytest.mark.usefixtures("pipeline")
def test_headings_tables_and_pictures_make_sense_when_read_aloud() -> None:
    """Headings never skip a level, header cells have a scope, and each picture has a role and a title."""
    text = page()
    outline = Outline(text)
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("scope" in attributes for tag, attributes in outline.tags if tag == "th")
    pictures = [attributes for tag, attributes in outline.tags if tag == "svg"]
    assert len(pictures) == 9 + 5 + 1
    assert all(attributes["role"] == "img" for attributes in pictures)
    assert len(re.findall(r"<svg [^>]*><title>[^<]+</title>", text)) == len(pictures)


def test_numbers_are_written_so_that_none_is_mistaken() -> None:
    """Thousands are separated; what is almost all or nothing is not rounded to it; nan is a dash."""
    assert (count(1234567), significant(26989.6), significant(0.41372)) == ("1,234,567", "26,990", "0.414")
    assert [share(part).replace("\N{NO-BREAK SPACE}", " ") for part in (0, 0.0001, 0.1234, 0.9999, 1, None)] == [
        "0 %", "< 0.1 %", "12.3 %", "> 99.9 %", "100 %", "–",
    ]  # fmt: skip
    assert (significant(float("nan")), significant(0), significant(1e-7)) == ("–", "0", "1.00e−07")


def test_the_shift_is_none_for_the_same_rows_and_whole_for_others() -> None:
    """Total variation: 0 for equal histograms, 1 for disjoint ones, and missing counts as a bin."""
    low, high = pa.chunked_array([[1, 2, 3]]), pa.chunked_array([[7, 8, 9]])
    same, other = of_numbers(low, low, logs=False), of_words(low, high)
    assert shift(same, (0, 0), (3, 3)).distance == 0
    assert shift(other, (0, 0), (3, 3)).distance == pytest.approx(1)
    assert shift(same, (0, 1), (3, 3)).distance == pytest.approx(1)
    assert shift(same, (0, 0), (3, 0)) is None


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_in_light_and_in_dark(scheme: int) -> None:
    """Text has a contrast of at least 4.5 to 1 on both grounds, lines and bars that carry meaning 3 to 1 (WCAG 2.2)."""
    style = (Path(report.__file__).parent.parent / "report" / "page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", blocks[scheme]))
    for least, names in {4.5: ("ink", "soft", "a", "good", "bad", "warn"), 3: ("b", "axis")}.items():
        for name in names:
            for ground in ("ground", "panel"):
                one, other = sorted((luminance(colours[name]), luminance(colours[ground])))
                assert (other + 0.05) / (one + 0.05) >= least, (name, ground)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.581, 0.787), (3.0, 3.0), (0.0, 1.0e6), (-2.5, 40.0)])
def test_ticks_hold_what_is_drawn(low: float, high: float) -> None:
    """Ticks rise, span the values, and there are few enough to read."""
    found = ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert list(found) == sorted(set(found))
    assert 2 <= len(found) <= 8
    assert all(tick == round(tick) for tick in ticks(low, high, whole=True))


@pytest.mark.full
@pytest.mark.usefixtures("pipeline")
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["index.html", "data/training_set.html"])
def test_the_page_fits_a_phone_and_a_desk(pipeline: Path, width: int, name: str) -> None:
    """At either width nothing sticks out of the page sideways."""
    page()
    measure = "document.title = this.contentDocument.documentElement.scrollWidth"
    frame = f'<iframe width="{width}" height="900" src="report/{name}" onload="{measure}"></iframe>'
    (pipeline / "frame.html").write_text(frame)
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files",
        f"--user-data-dir={pipeline / 'browser'}", "--virtual-time-budget=2000", "--dump-dom",
    ]  # fmt: skip
    command = ["chromium", *options, (pipeline / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r"<title>(\d+)</title>", done.stdout)
    assert found is not None
    assert 0 < int(found.group(1)) <= width
