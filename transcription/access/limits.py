"""How much one socket or one address may ask for. Pure: clocks are given, nothing waits, nothing is stored.

Counts over several web processes are in `transcription.access.leases`.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

Clock = Callable[[], float]

MAX_ADDRESSES: Final = 10_000
"""Addresses whose handshakes are remembered, about 3 MB; an attacker with more of them only makes the oldest forgotten."""
BURST_S: Final = 4.0
"""How many seconds' worth of bytes a socket may send at once: a second of network trouble and what a client sent ahead."""


class TokenBucket:
    """`rate_per_s` tokens come in a second, up to `burst`. It may go into debt: what came, came; then somebody waits."""

    __slots__ = ("_burst", "_clock", "_filled_at_s", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float, clock: Clock) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at_s = clock()

    def wait_s(self, num_tokens: float = 0.0) -> float:
        """Seconds until `num_tokens` are there; 0.0 when they are. Never more than burst and debt take to fill."""
        self._fill()
        return max(num_tokens - self._tokens, 0.0) / self._rate_per_s

    def take(self, num_tokens: float) -> None:
        self._fill()
        self._tokens -= num_tokens

    def spend(self, num_tokens: float) -> float:
        """`take`, then `wait_s`, for those who do both at every frame."""
        self.take(num_tokens)
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate_per_s

    def _fill(self) -> None:
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_at_s) * self._rate_per_s)
        self._filled_at_s = now_s


class ByteBudget:
    """What one socket may send: `max_bytes_s` over time, four seconds of it at once; 0 is no limit.

    A client that sends faster is not cut off. Its socket is left unread for a while, and TCP holds it back.
    """

    __slots__ = ("_bucket",)

    def __init__(self, max_bytes_s: int, clock: Clock) -> None:
        self._bucket = TokenBucket(max_bytes_s, BURST_S * max_bytes_s, clock) if max_bytes_s else None

    def spend(self, num_bytes: int) -> float:
        """Book bytes that came; seconds to wait before reading on, 0.0 for whoever keeps within the limit."""
        if self._bucket is None:
            return 0.0
        return self._bucket.spend(num_bytes)


class HandshakeRates:
    """How often each address may knock, good credentials or bad: `max_per_min`, as many at once; 0 is no limit."""

    def __init__(self, max_per_min: int, clock: Clock) -> None:
        self._max_per_min = max_per_min
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def knock(self, address: str) -> float:
        """0.0 when `address` may come in; else seconds until it may, and this attempt costs nothing."""
        if not self._max_per_min:
            return 0.0
        bucket = self._bucket_of(address)
        wait_s = bucket.wait_s(1)
        if not wait_s:
            bucket.take(1)
        return wait_s

    def _bucket_of(self, address: str) -> TokenBucket:
        if address not in self._buckets:
            self._buckets[address] = TokenBucket(self._max_per_min / 60, self._max_per_min, self._clock)
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        return self._buckets[address]
