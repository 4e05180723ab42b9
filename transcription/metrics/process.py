"""Stores, every five seconds and on a thread of its own, what this process of Django has measured.

It has one connection to PostgreSQL, which holds the lock of its name. While PostgreSQL is away intervals wait in the sampler.
"""

import logging
import threading
import time
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from prometheus_client import start_http_server
from redis import Redis
from redis.exceptions import RedisError

from inference.sampling import LOOK_EVERY_S, Sampler
from transcription.metrics import meters
from transcription.metrics.meters import Flag, WebMeters, WorkerMeters
from transcription.metrics.nodes import TooManyProcessesError, claim
from transcription.metrics.store import Store

VALKEY_PATIENCE_S: Final = 1.0
FAREWELL_S: Final = 3.0
logger = logging.getLogger(__name__)


class Reporter:
    """Args:
    kind: `web` or `worker`.

    `once` is one round, for the thread that `start` starts, or for a test.
    """

    def __init__(self, kind: str, measured: WebMeters | WorkerMeters) -> None:
        self.kind = kind
        self._registry = measured.registry
        self.sampler = Sampler(measured.registry)
        self._store: Store | None = None
        self._stored_s = 0.0
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"metrics-{kind}", daemon=True)
        self._valkey = Redis.from_url(
            settings.REDIS_URL, socket_timeout=VALKEY_PATIENCE_S, socket_connect_timeout=VALKEY_PATIENCE_S
        )

    def start(self) -> None:
        """Also answer at the port of HARK_METRICS_PORT, where it is the worker's."""
        self._thread.start()
        if self.kind == "worker" and settings.HARK_METRICS_PORT:
            start_http_server(settings.HARK_METRICS_PORT, settings.HARK_METRICS_HOST, self._registry)

    @property
    def node(self) -> str:
        """The name under which it stores; empty as long as it has none."""
        store = self._store
        return "" if store is None else store.node

    def stop(self) -> None:
        """Store what is there, and end; blocks for some seconds at most."""
        self._is_stopping.set()
        self._thread.join(FAREWELL_S)

    def _run(self) -> None:
        try:
            while not self._is_stopping.wait(LOOK_EVERY_S - time.time() % LOOK_EVERY_S):
                self.once()
            self.once()
        finally:
            connections.close_all()
            self._valkey.close()

    def once(self) -> None:
        """Look, and store what is not stored."""
        if self.kind == "web":
            self._look_at_valkey(meters.web.channel_layer_up)
        self.sampler.look()
        try:
            self._write()
        except (DatabaseError, InterfaceError, TooManyProcessesError) as err:
            logger.warning("what was measured cannot be stored now: %s", type(err).__name__)
            meters.web.database_up.set(state=False)
            self._store = None  # its name is another's, if the connection is gone
            connections.close_all()
        else:
            meters.web.database_up.set(state=True)

    def _write(self) -> None:
        if self._store is None:
            self._store = Store(claim(self.kind))
        intervals = self.sampler.since(self._stored_s)
        if intervals:
            self._store.write(intervals)
            self._stored_s = intervals[-1].at_s

    def _look_at_valkey(self, flag: Flag) -> None:
        try:
            flag.set(state=bool(self._valkey.ping()))
        except (RedisError, OSError):
            flag.set(state=False)


_reporters: Final[dict[str, Reporter]] = {}


def begin(kind: str) -> None:
    """Start to store what this process measures, once. Others of its kind on this host have other names."""
    if kind not in _reporters:
        reporter = _reporters[kind] = Reporter(kind, meters.web if kind == "web" else meters.worker)
        reporter.start()


def name_of(kind: str) -> str:
    """Under which this process stores what it measures; empty as long as it has none."""
    reporter = _reporters.get(kind)
    return "" if reporter is None else reporter.node


def end(kind: str) -> None:
    reporter = _reporters.pop(kind, None)
    if reporter is not None:
        reporter.stop()
