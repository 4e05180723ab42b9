"""Limits of bytes and handshakes, by a clock that the test turns."""

from dataclasses import dataclass

import pytest

from transcription.access.limits import BURST_S, MAX_ADDRESSES, ByteBudget, HandshakeRates, TokenBucket

REAL_TIME_BYTES_S = 32_000  # 16 kHz, 16 bits


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def turn(self, seconds: float) -> None:
        self.now_s += seconds


def seconds_for(num_bytes: int, budget: ByteBudget, clock: Clock, frame_bytes: int = 6_400) -> float:
    """How long a client needs that sends as fast as its socket is read."""
    began_s = clock.now_s
    for _ in range(num_bytes // frame_bytes):
        clock.turn(budget.spend(frame_bytes))
    return clock.now_s - began_s


def test_whoever_keeps_within_the_rate_never_waits() -> None:
    clock = Clock()
    budget = ByteBudget(REAL_TIME_BYTES_S, clock)

    for _ in range(1_000):
        assert budget.spend(6_400) == 0.0
        clock.turn(0.2)


def test_a_client_at_fifty_times_real_time_is_held_to_the_rate() -> None:
    clock = Clock()
    sent_bytes = 50 * 60 * REAL_TIME_BYTES_S

    took_s = seconds_for(sent_bytes, ByteBudget(2 * REAL_TIME_BYTES_S, clock), clock)

    assert took_s == pytest.approx(50 * 60 / 2 - BURST_S)


def test_a_burst_passes_at_once_and_comes_back_with_time() -> None:
    clock = Clock()
    budget = ByteBudget(1_000, clock)

    assert budget.spend(int(1_000 * BURST_S)) == 0.0
    assert budget.spend(500) == pytest.approx(0.5)
    clock.turn(0.5)
    assert budget.spend(0) == 0.0
    clock.turn(3600)
    assert budget.spend(int(1_000 * BURST_S)) == 0.0
    assert budget.spend(1_000) == pytest.approx(1.0), "an hour of silence must not be saved up"


def test_no_limit_is_no_wait() -> None:
    assert ByteBudget(0, Clock()).spend(10**12) == 0.0


def test_an_address_may_knock_as_often_as_allowed_in_a_minute_and_then_must_wait() -> None:
    clock = Clock()
    rates = HandshakeRates(60, clock)

    assert [rates.knock("192.0.2.1") for _ in range(60)] == [0.0] * 60
    assert rates.knock("192.0.2.1") == pytest.approx(1.0)
    assert rates.knock("192.0.2.2") == 0.0
    clock.turn(1.0)
    assert rates.knock("192.0.2.1") == 0.0
    assert rates.knock("192.0.2.1") > 0.0


def test_a_refused_knock_does_not_lengthen_the_wait() -> None:
    rates = HandshakeRates(1, Clock())
    rates.knock("192.0.2.1")

    assert [rates.knock("192.0.2.1") for _ in range(100)] == pytest.approx([60.0] * 100)


def test_addresses_that_are_remembered_are_bounded_and_the_oldest_goes_first() -> None:
    rates = HandshakeRates(1, Clock())
    rates.knock("first")
    for number in range(MAX_ADDRESSES - 1):
        rates.knock(str(number))
    assert rates.knock("first") > 0.0

    rates.knock("one more")

    assert rates.knock("0") == 0.0, "the address that was not heard of for longest is forgotten"
    assert rates.knock("first") > 0.0


def test_debt_is_paid_before_anything_else() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 10, clock)
    bucket.take(30)

    assert bucket.wait_s() == pytest.approx(2.0)
    assert bucket.wait_s(10) == pytest.approx(3.0)
