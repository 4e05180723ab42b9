"""Fetches what inference processes have measured and stores it for them: they know no database."""

import asyncio
import logging
import time
from datetime import UTC, datetime

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Max

from inference.client import measurements
from inference.config import split_addresses
from inference.errors import LinkLostError
from inference.messages import Interval
from inference.metrics import MEMORY
from inference.sampling import INTERVAL_S, MAX_INTERVALS
from transcription.metrics.store import Store
from transcription.models import MetricSample

logger = logging.getLogger(__name__)


def collect() -> None:
    """From each inference process what is not stored yet. One that does not answer now is asked again the next time."""
    addresses = {f"inference-{number}": each for number, each in enumerate(split_addresses(settings.HARK_INFERENCE_ADDRESS))}
    since_s = newest_of(addresses)
    for node, intervals in async_to_sync(read_all)(addresses, since_s).items():
        Store(node).write(intervals)


def newest_of(nodes: "dict[str, str]") -> dict[str, float]:
    """From when on each node is to be asked (s since 1970): its last two intervals again, for they may not have been over."""
    oldest_s = time.time() - MAX_INTERVALS * INTERVAL_S
    kept = MetricSample.objects.filter(
        series__name=MEMORY.name, series__node__in=nodes, resolution_s=INTERVAL_S, at__gte=datetime.fromtimestamp(oldest_s, UTC)
    )
    newest = kept.values_list("series__node").annotate(Max("at"))
    found = {node: at.timestamp() - INTERVAL_S for node, at in newest}
    return {node: found.get(node, oldest_s) for node in nodes}


async def read_all(addresses: dict[str, str], since_s: dict[str, float]) -> dict[str, tuple[Interval, ...]]:
    """By node, of those that answer."""
    read = await asyncio.gather(*(read_one(node, address, since_s[node]) for node, address in addresses.items()))
    return dict(zip(addresses, read, strict=True))


async def read_one(node: str, address: str, since_s: float) -> tuple[Interval, ...]:
    try:
        return (await measurements.read(address, since_s)).intervals
    except LinkLostError as err:
        logger.info("%s says nothing of what it measured: %s", node, err.message)
        return ()
