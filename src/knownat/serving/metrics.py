"""What Prometheus can ask of the endpoint.

The counts are plain numbers, put into Prometheus' words when asked: Feast's import switches the client library's own counters
to files that several processes share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

PREDICT = "/predict"
RECENT = 2000  # requests
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
PROBABILITIES = tuple(n / 10 for n in range(1, 11))


@dataclass
class Distribution:
    """How many values lie at or below each bound and above the one before; the last count is of what lies above all."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[str, float]]:
        found, so_far = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


class Metrics:
    """The counts of one process; what is a state (a gauge) is set before it is told."""

    def __init__(self) -> None:
        self.requests = Counter[tuple[str, int]]()
        self.seconds: dict[str, Distribution] = {}
        self.recent = deque[float](maxlen=RECENT)
        self.predictions = 0
        self.probabilities = Distribution(PROBABILITIES)
        self.not_fresh = Counter[str]()
        self.reloads = Counter[str]()
        self.gauges: dict[str, tuple[str, float]] = {}
        self.model: dict[str, str] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        if route not in self.seconds:
            self.seconds[route] = Distribution(SECONDS)
        self.seconds[route].add(seconds)
        if route == PREDICT:
            self.recent.append(seconds)

    def predicted(self, probability: float, statuses: Iterable[str]) -> None:
        self.predictions += 1
        self.probabilities.add(probability)
        self.not_fresh.update(status for status in statuses if status != "fresh")

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Prometheus' own name for it."""
        requests = CounterMetricFamily("knownat_requests", "Answered requests", labels=["route", "status"])
        for (route, status), count in sorted(self.requests.items()):
            requests.add_metric([route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily("knownat_request_seconds", "From the whole request to its answer", labels=["route"])
        for route, found in sorted(self.seconds.items()):
            seconds.add_metric([route], found.cumulated(), found.total)
        yield seconds
        yield CounterMetricFamily("knownat_predictions", "Predicted events", value=self.predictions)
        probabilities = HistogramMetricFamily("knownat_probability", "Predicted probabilities", labels=[])
        probabilities.add_metric([], self.probabilities.cumulated(), self.probabilities.total)
        yield probabilities
        for name, text, label, counts in (
            ("knownat_inputs_not_fresh", "Inputs of which not the latest value was used, by why", "status", self.not_fresh),
            ("knownat_model_reloads", "Champions that were loaded, or refused", "result", self.reloads),
        ):
            family = CounterMetricFamily(name, text, labels=[label])
            for key, count in sorted(counts.items()):
                family.add_metric([key], count)
            yield family
        for name, (text, value) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
        yield InfoMetricFamily("knownat_model", "The live model", value=self.model)
