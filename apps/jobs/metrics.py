"""The queue's state for Prometheus, read from the database at each scrape: every web process says the same.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for what only grows.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from apps.jobs.queue_report import QueueReport, report
from apps.projects.models import CleanUp

SHARES = (0.5, 0.95)


def exposition() -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Queue(report()))
    return generate_latest(registry)


class _Queue(Collector):
    def __init__(self, found: QueueReport) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._jobs()
        yield from self._workers()
        yield GaugeMetricFamily("bantam_queue_messages", "Messages that wait in the queue.", self._found.messages)
        yield GaugeMetricFamily("bantam_jobs_stuck", "Jobs that somebody should look at.", len(self._found.stuck))
        yield GaugeMetricFamily(
            "bantam_schedules_overdue", "Schedules that were due half an hour ago or longer.", self._found.overdue
        )
        if self._found.clean_up is not None:
            yield from _clean_ups(self._found.clean_up)

    def _jobs(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("bantam_jobs", "Unfinished jobs.", labels=["organization", "state"])
        oldest = GaugeMetricFamily(
            "bantam_queue_oldest_seconds", "Age of the oldest job that may begin.", labels=["organization"]
        )
        waits = GaugeMetricFamily(
            "bantam_queue_wait_seconds",
            "From creation to the first start, of the newest jobs that have begun.",
            labels=["organization", "quantile"],
        )
        for tenant in self._found.tenants.values():
            for state in ("queued", "later", "running"):
                waiting.add_metric([tenant.name, state], getattr(tenant, state))
            age = (self._found.at - tenant.oldest).total_seconds() if tenant.oldest else 0.0
            oldest.add_metric([tenant.name], age)
            for share in SHARES:
                if (wait := tenant.wait_s(share)) is not None:
                    waits.add_metric([tenant.name, str(share)], wait)
        finished = CounterMetricFamily("bantam_jobs_finished", "Jobs that are over.", labels=["kind", "state"])
        for kind, state, count in self._found.finished:
            finished.add_metric([kind, state], count)
        yield from (waiting, oldest, waits, finished)

    def _workers(self) -> Iterator[Metric]:
        labels = ["worker"]
        processes = GaugeMetricFamily("bantam_worker_processes", "Jobs that it runs at a time.", labels=labels)
        busy = GaugeMetricFamily("bantam_worker_jobs", "Jobs that it runs.", labels=labels)
        heartbeat = GaugeMetricFamily("bantam_worker_heartbeat_age_seconds", "Since its last heartbeat.", labels=labels)
        canary = GaugeMetricFamily(
            "bantam_worker_canary_age_seconds", "Since one of its processes last ran the canary.", labels=labels
        )
        restarts = CounterMetricFamily("bantam_worker_restarts", "How often its processes were stuck.", labels=labels)
        for worker in self._found.workers:
            name = [str(worker)]
            processes.add_metric(name, worker.processes)
            busy.add_metric(name, len(worker.jobs.all()))
            heartbeat.add_metric(name, (self._found.at - worker.heartbeat_at).total_seconds())
            canary.add_metric(name, self._found.canary_age(worker).total_seconds())
            restarts.add_metric(name, worker.restarts)
        yield from (processes, busy, heartbeat, canary, restarts)


def _clean_ups(last: CleanUp) -> Iterator[Metric]:
    if last.finished_at is not None:
        yield GaugeMetricFamily(
            "bantam_cleanup_last_timestamp_seconds",
            "When the last clean-up of the storage came to its end.",
            last.finished_at.timestamp(),
        )
    yield CounterMetricFamily("bantam_cleanup_removed_files", "Files that nothing needed.", last.total_files)
    yield CounterMetricFamily("bantam_cleanup_removed_bytes", "Of files that nothing needed.", last.total_bytes)
    yield CounterMetricFamily("bantam_cleanup_errors", "What clean-ups could not do.", last.total_errors)
