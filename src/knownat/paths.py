"""Where each stage reads and writes, relative to the project's root; `dvc.yaml` says the same (a contract test compares)."""

from pathlib import Path

FEATURE_REPO = Path("feature_repo")
EXPECTATIONS = Path("expectations")
ACCEPTED = EXPECTATIONS / "accepted.json"
COMPILED = Path("compiled")
RAW = Path("data/raw")
REJECTED = Path("data/rejected")
TABLES = Path("data/tables")
VIEWS = Path("data/views")
QUARANTINE = Path("data/quarantine")
VERDICTS = Path("data/verdicts")
RESULTS = Path("data/results")
ROWS = Path("metrics/rows.json")
REGISTRY_DUMP = FEATURE_REPO / "registry.json"
TRAINING_SET = Path("data/training_set.parquet")
ENCODED = Path("data/encoded.parquet")
ENCODER = Path("models/encoder.json")
MODEL = Path("models/model.keras")
CURVES = Path("metrics/training")
METRICS = Path("metrics/scores.json")
EVALUATION = Path("metrics/evaluation.json")
PLOTS = Path("plots")
SERVICES = PLOTS / "services.csv"
CHAMPION = Path("champion.json")
CARD = Path("models/model_card.md")
REPORT = Path("report")
REPORT_PAGE = REPORT / "index.html"
CAPTURED = Path("captured")


def compiled(stage: str) -> Path:
    return COMPILED / f"{stage}.json"


def verdict(gate: str) -> Path:
    return VERDICTS / f"{gate}.json"


def result(gate: str) -> Path:
    return RESULTS / gate / "result.json"
