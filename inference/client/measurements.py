"""Read what an inference process has measured, over a link of its own."""

from inference.client.asking import linked, within
from inference.messages import MetricsSnapshot, ReadMetrics

PATIENCE_S = 3.0


async def read(address: str, since_s: float, *, within_s: float = PATIENCE_S) -> MetricsSnapshot:
    """Its intervals from `since_s` (seconds since 1970) on.

    Raises:
        LinkLostError: it does not answer.
    """
    async with within(address, within_s), linked(address) as link:
        link.send(ReadMetrics(since_s=since_s))
        while True:
            for event in await link.next_events():
                if isinstance(event, MetricsSnapshot):
                    return event
