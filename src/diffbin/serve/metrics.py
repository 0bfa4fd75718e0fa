"""What the server counts, in the format of Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # upper ends of the histograms' bins
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Of one application; several in a process do not share theirs."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, processor time, open files
        self._answers = Counter(
            "diffbin_requests", "Requests to find text, by HTTP status.", ["status"], registry=registry
        )
        self._under_way = Gauge("diffbin_requests_under_way", "Requests that have no answer yet.", registry=registry)
        self._waited = Histogram(
            "diffbin_request_seconds", "From a request's head to its answer.", buckets=SECONDS, registry=registry
        )
        self._seconds = Histogram(
            "diffbin_compute_seconds", "From a picture's bytes to its answer.", buckets=SECONDS, registry=registry
        )
        self._regions = Counter("diffbin_regions", "Regions of text found.", registry=registry)

    def answered(self, status: int, seconds: float) -> None:
        """A request has its answer, so many seconds after it began."""
        self._answers.labels(str(status)).inc()
        self._waited.observe(seconds)

    def under_way(self, requests: int) -> None:
        """So many have none yet."""
        self._under_way.set(requests)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """A picture is computed in this block."""
        begun = perf_counter()
        try:
            yield
        finally:  # what is refused at last has taken its time, too
            self._seconds.observe(perf_counter() - begun)

    def found(self, regions: int) -> None:
        """So many in a picture."""
        self._regions.inc(regions)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
