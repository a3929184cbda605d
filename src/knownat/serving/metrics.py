"""What Prometheus can ask of the endpoint."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
STATUSES = ("stale", "missing", "late", "unseen")


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("knownat_requests", "Answered requests", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "knownat_request_seconds", "From the whole request to the answer", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.predictions = Counter("knownat_predictions", "Predicted events", registry=self.registry)
        self.probabilities = Histogram(
            "knownat_probability", "Predicted probabilities", buckets=[n / 10 for n in range(1, 11)], registry=self.registry
        )
        unused = Counter(
            "knownat_features_not_fresh", "Inputs by why they were not used as they are", ["status"], registry=self.registry
        )
        self.unused = {status: unused.labels(status) for status in STATUSES}
        self.waiting = Gauge("knownat_requests_waiting", "Requests at work or waiting", registry=self.registry)
        self.ready = Gauge("knownat_ready", "1 if predictions are possible", registry=self.registry)
        self.lag = Gauge("knownat_store_lag_seconds", "By how much the online store lags behind now", registry=self.registry)
        self.captured = Gauge("knownat_captured_requests", "Requests kept for monitoring", registry=self.registry)
        self.dropped = Gauge("knownat_capture_dropped_requests", "Requests that could not be kept", registry=self.registry)
        self.model = Gauge("knownat_model_info", "The live model", ["service", "version", "lineage"], registry=self.registry)
        self.reloads = Counter(
            "knownat_model_reloads", "Champions that were loaded, or refused", ["outcome"], registry=self.registry
        )
        self._routes: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        found = self._routes.get((route, status))
        if found is None:
            found = (self.requests.labels(route, str(status)), self.seconds.labels(route))
            self._routes[route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
