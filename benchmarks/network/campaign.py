"""Many sessions over bad networks: what each has to go through, and what became of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from benchmarks.network.client import BUFFER_S, PATIENCE_S, Heard, ReliableClient
from benchmarks.network.proxy import Cut, Line, Tamper, Weather, laid
from benchmarks.network.talks import Talk, scripted
from benchmarks.network.verdict import Outcome, Stored, broken_rules
from benchmarks.network.wire import Stall

MAX_LOST: Final = 0.04
MAX_DOUBLED: Final = 0.05
MAX_OVERTAKEN: Final = 0.08
MAX_DELAY_S: Final = 0.15
STALL_S: Final = 0.8
MOVED_BUFFER_S: Final = 45.0
"""Another process wants what is not settled as well: a segment of nine seconds and what recognition is behind."""
MOMENTS: Final = ("end", "final", "resumed", "ack")


class Site(Protocol):
    """The server. `web_urls`: of all its web processes."""

    @property
    def web_urls(self) -> list[str]: ...

    def stored(self, session: str) -> Stored: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What one session goes through. is_lossy: a cut is longer than the buffer. is_moved: another web process takes over.

    hops: each connection goes to the next web process, although the one before still lives.
    """

    talk: Talk
    weather: Weather = Weather()
    cuts: tuple[Cut, ...] = ()
    stalls: tuple[Stall, ...] = ()
    pace: float = 1.0
    buffer_s: float = BUFFER_S
    is_lossy: bool = False
    hops: bool = False
    is_moved: bool = False
    patience_s: float = PATIENCE_S


@dataclass(frozen=True, slots=True)
class Climate:
    """What plans are made of. seconds: of each talk. cuts_s: every session has a cut of each of these lengths.

    Every `lossy_every`-th session has a buffer that is `short_buffer_s` long, shorter than its longest cut.
    """

    seconds: float = 75.0
    cuts_s: tuple[float, ...] = (1.0, 5.0, 20.0)
    pace: float = 1.0
    seed: int = 0
    lossy_every: int = 10
    short_buffer_s: float = 5.0
    hops_every: int = 4


def plans(climate: Climate, count: int) -> list[Plan]:
    return [_plan(climate, number) for number in range(count)]


def _plan(climate: Climate, number: int) -> Plan:
    random = Random(f"{climate.seed} plan {number}")
    is_lossy = bool(climate.lossy_every) and number % climate.lossy_every == climate.lossy_every - 1
    hops = bool(climate.hops_every) and number % climate.hops_every == 1
    return Plan(
        talk=scripted(number, climate.seconds),
        weather=_weather(random, number),
        cuts=_cuts(random, climate, is_lossy=is_lossy),
        stalls=(Stall(random.randrange(20_000, 200_000), STALL_S / climate.pace),) if number % 3 == 0 else (),
        pace=climate.pace,
        buffer_s=climate.short_buffer_s if is_lossy else MOVED_BUFFER_S if hops else BUFFER_S,
        is_lossy=is_lossy,
        hops=hops,
        is_moved=hops,
    )


def _weather(random: Random, number: int) -> Weather:
    return Weather(
        seed=number,
        lost=random.uniform(0, MAX_LOST),
        doubled=random.uniform(0, MAX_DOUBLED),
        overtaken=random.uniform(0, MAX_OVERTAKEN),
        delay_s=random.choice([0.0, random.uniform(0, MAX_DELAY_S)]),
    )


def _cuts(random: Random, climate: Climate, *, is_lossy: bool) -> tuple[Cut, ...]:
    """One of each length, spread over the talk in any order; and now and then one at a moment that hurts."""
    if not climate.cuts_s:
        return ()
    lengths_s = random.sample(climate.cuts_s, len(climate.cuts_s))
    share_s = climate.seconds * 0.9 / len(lengths_s)
    cuts = [
        Cut(length_s, at_s=share_s * (place + random.uniform(0.2, 0.8)), is_half_open=random.random() < 0.3)
        for place, length_s in enumerate(lengths_s)
    ]
    if not is_lossy and random.random() < 0.5:
        cuts.append(Cut(min(climate.cuts_s) / 2, on=random.choice(MOMENTS)))
    return tuple(cuts)


async def undisturbed(site: Site, talks: Sequence[Talk], at_once: int) -> dict[str, Heard]:
    """What is heard of each talk over a good network, by its name."""
    room = asyncio.Semaphore(at_once)

    async def one(talk: Talk) -> Heard:
        async with room:
            return await ReliableClient(site.web_urls[:1], talk, pace=0, options=_options(talk)).run()

    heard = await asyncio.gather(*(one(talk) for talk in talks))
    return {talk.name: each for talk, each in zip(talks, heard, strict=True)}


async def play(site: Site, plan: Plan, reference: Heard, tamper: Tamper | None = None) -> Outcome:
    """One session. `tamper`: a fault to be noticed."""
    line = Line(site.web_urls, plan.weather, plan.cuts, plan.stalls, tamper or Tamper(), hops=plan.hops)
    async with laid(line):
        client = ReliableClient(
            [line.url],
            plan.talk,
            plan.pace,
            plan.buffer_s,
            seed=plan.weather.seed,
            options=_options(plan.talk),
            patience_s=plan.patience_s,
        )
        failure = ""
        try:
            await client.run()
        except TimeoutError:
            failure = f"hung: {len(client.heard.finals)} finals, codes {client.heard.codes}, {line.count()}"
        await line.settled()
        outcome = Outcome(
            plan.talk, client.heard, line.count(), reference, is_lossy=plan.is_lossy, is_moved=plan.is_moved, failure=failure
        )
    if client.heard.sessions:
        outcome.stored = await asyncio.to_thread(site.stored, client.heard.sessions[-1])
    outcome.broken = broken_rules(outcome)
    return outcome


async def play_all(site: Site, wanted: Sequence[Plan], at_once: int) -> list[Outcome]:
    """All of them, `at_once` at the same time."""
    reference = await undisturbed(site, [plan.talk for plan in wanted], at_once)
    room = asyncio.Semaphore(at_once)

    async def one(plan: Plan) -> Outcome:
        async with room:
            return await play(site, plan, reference[plan.talk.name])

    return await asyncio.gather(*(one(plan) for plan in wanted))


def _options(talk: Talk) -> dict[str, Any]:
    return {"language": "en"} | ({"model": talk.model} if talk.model else {})
