"""From all that the stages have written to pages that a person looks at: one of all, one of each data set."""

from __future__ import annotations

import sys

from knownat import paths
from knownat.console import Counts, run_stage
from knownat.files import replacing, write_text
from knownat.report.evidence import collect
from knownat.report.page import data_page, page


def main() -> Counts:
    evidence = collect()
    text = page(evidence)
    with replacing(paths.REPORT) as (folder,):
        write_text(folder / paths.REPORT_PAGE.name, text)
        for found in evidence.data:
            write_text(folder / "data" / f"{found.name}.html", data_page(found, evidence))
        for place, source in evidence.documents.items():
            write_text(folder / place, source.read_text(encoding="utf-8"))
    return {
        "rows": len(evidence.training_set),
        "expectations": sum(map(len, evidence.results.values())),
        "inputs": len(evidence.encoder.inputs),
        "data_sets": len(evidence.data),
        "bytes": len(text.encode()),
    }


if __name__ == "__main__":
    run_stage("report", main, *sys.argv[1:])
