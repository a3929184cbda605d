"""From all that the stages have written to one page that a person looks at."""

from __future__ import annotations

import sys

from knownat import paths
from knownat.console import Counts, run_stage
from knownat.files import write_text
from knownat.report.evidence import collect
from knownat.report.page import page


def main() -> Counts:
    evidence = collect()
    text = page(evidence)
    write_text(paths.REPORT, text)
    return {
        "rows": len(evidence.training_set),
        "expectations": sum(map(len, evidence.results.values())),
        "inputs": len(evidence.encoder.inputs),
        "bytes": len(text.encode()),
    }


if __name__ == "__main__":
    run_stage("report", main, *sys.argv[1:])
