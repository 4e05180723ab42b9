"""A web process goes away under its sessions, killed or told to stop: they go on in the other one."""

import asyncio
import signal
from collections.abc import Sequence
from typing import Final, Literal

from benchmarks.network.campaign import Plan, play, undisturbed
from benchmarks.network.site import TwoWebs
from benchmarks.network.verdict import Outcome

MIDDLE: Final = 0.4
How = Literal["kill", "stop"]


async def play_restart(site: TwoWebs, wanted: Sequence[Plan], how: How) -> list[Outcome]:
    """All sessions at once. The first web process, to which all are connected, is gone in their middle and back at the end."""
    reference = await undisturbed(site, [plan.talk for plan in wanted], len(wanted))
    playing = asyncio.gather(*(play(site, plan, reference[plan.talk.name]) for plan in wanted))
    await asyncio.sleep(min(plan.talk.length_ms / 1000 / plan.pace for plan in wanted) * MIDDLE)
    status = await asyncio.to_thread(_end, site, how)
    outcomes = await playing
    await asyncio.to_thread(site.start, 0)
    for outcome in outcomes:
        outcome.broken += _of_the_restart(outcome, how, status)
    return outcomes


def _end(site: TwoWebs, how: How) -> int:
    if how == "kill":
        site.kill(0)
        return 0
    return site.stop(0)


def _of_the_restart(outcome: Outcome, how: How, status: int) -> list[str]:
    complaints = [] if outcome.heard.num_resumed else ["the web process was gone before or after the session"]
    if how == "stop" and not outcome.heard.farewells:
        complaints.append("no going_away came")
    if how == "stop" and status not in {0, -signal.SIGTERM}:  # uvicorn ends by the signal that it was asked with
        complaints.append(f"the web process ended with status {status}")
    return complaints
