"""Check 17: a session survives the network: no word is lost or comes twice, and where audio is lost for good, it says so."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from benchmarks.network.campaign import Climate, Plan, plans, play, play_all, undisturbed
from benchmarks.network.proxy import Cut, Tamper, Weather
from benchmarks.network.restarts import How, play_restart
from benchmarks.network.site import TwoWebs
from benchmarks.network.talks import scripted
from benchmarks.network.verdict import Outcome, Stored
from tests.acceptance.tampering import LOSSLESS, LOSSY, Fault
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PACE = 2.5
CLIMATE = Climate(seconds=16.0, cuts_s=(1.0, 2.0), pace=PACE, lossy_every=6, short_buffer_s=1.5)
NUM_SESSIONS = 12
NUM_MOVED = 6
TALK = scripted(17, 12.0)
CUT = Plan(TALK, Weather(seed=17), cuts=(Cut(0.3, at_s=4.0),), pace=PACE)
LOSSY_CUT = replace(CUT, cuts=(Cut(2.0, at_s=4.0),), buffer_s=1.0, is_lossy=True)


@pytest.fixture(scope="module")
def two_webs(scripted_stack: Stack) -> Iterator[TwoWebs]:
    """The scripted server with a second web process on the same database."""
    site = TwoWebs(scripted_stack)
    site.start(1)
    yield site
    site.kill(1)


def complaints(outcomes: list[Outcome]) -> dict[str, list[str]]:
    return {outcome.talk.name: outcome.broken for outcome in outcomes if outcome.broken}


async def test_12_sessions_with_cuts_of_one_and_two_seconds_lose_no_word_or_say_what(two_webs: TwoWebs) -> None:
    """Every frame may be lost, doubled or overtaken; every fourth session changes the web process at each cut; two have a buffer
    that is shorter than the cut.
    """
    outcomes = await play_all(two_webs, plans(CLIMATE, NUM_SESSIONS), NUM_SESSIONS)

    assert complaints(outcomes) == {}
    assert sum(outcome.told.num_cut for outcome in outcomes) >= 2 * NUM_SESSIONS
    assert sum(outcome.told.num_lost for outcome in outcomes) > 0
    assert sum(outcome.told.num_doubled for outcome in outcomes) > 0
    assert sum(outcome.told.num_overtaken for outcome in outcomes) > 0
    assert sum(outcome.told.num_late_events for outcome in outcomes) > 0
    assert sum(bool(outcome.heard.gaps) for outcome in outcomes) == sum(outcome.is_lossy for outcome in outcomes) == 2


@pytest.mark.parametrize("moment", ["end", "ack", "final", "resumed"])
async def test_a_cut_at_the_worst_moment_loses_nothing(two_webs: TwoWebs, moment: str) -> None:
    cuts = (*CUT.cuts, Cut(0.3, on=moment)) if moment == "resumed" else (Cut(0.3, on=moment),)

    outcome = await played(two_webs, replace(CUT, cuts=cuts))

    assert not outcome.broken, "\n".join(outcome.broken)
    assert outcome.told.num_cut == len(cuts)


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_sessions_of_a_web_process_that_is_gone_go_on_in_the_other_one(two_webs: TwoWebs, how: How) -> None:
    climate = Climate(seconds=10.0, cuts_s=(), pace=PACE, lossy_every=0, hops_every=0)

    outcomes = await play_restart(two_webs, [replace(plan, is_moved=True) for plan in plans(climate, NUM_MOVED)], how)

    assert complaints(outcomes) == {}


async def played(site: TwoWebs, plan: Plan, tamper: Tamper | None = None) -> Outcome:
    reference = await undisturbed(site, [plan.talk], 1)
    return await play(site, plan, reference[plan.talk.name], tamper)


async def test_a_fault_in_a_session_that_was_cut_would_be_noticed(two_webs: TwoWebs) -> None:
    await assert_faults_are_noticed(two_webs, CUT, LOSSLESS)


async def test_a_fault_in_a_session_with_a_gap_would_be_noticed(two_webs: TwoWebs) -> None:
    await assert_faults_are_noticed(two_webs, LOSSY_CUT, LOSSY)


async def assert_faults_are_noticed(site: TwoWebs, plan: Plan, faults: dict[str, Fault]) -> None:
    """As many sessions at once as there are faults."""
    outcomes = await asyncio.gather(*(played(site, plan, make()) for make, _sentence in faults.values()))

    for (name, (_make, sentence)), outcome in zip(faults.items(), outcomes, strict=True):
        assert any(sentence in complaint for complaint in outcome.broken), f"{name}: {outcome.broken}"


class DamagedStore(TwoWebs):
    """What is stored changes before it is read: `damage` is SQL."""

    damage: str = ""

    def stored(self, session: str) -> Stored:
        super().stored(session)
        with psycopg.connect(self.stack.database_url) as connection:
            connection.execute(self.damage, [session])
        return self.read(session)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE transcription_segment SET text = text || ' ' WHERE session_id = %s",
        "DELETE FROM transcription_segment WHERE number = 1 AND session_id = %s",
        "UPDATE transcription_session SET silence_ms = silence_ms + 1 WHERE id = %s",
        "UPDATE transcription_session SET status = 'incomplete' WHERE id = %s",
    ],
)
async def test_another_transcript_in_the_store_would_be_noticed(two_webs: TwoWebs, damage: str) -> None:
    site = DamagedStore(two_webs.stack)
    site.ports, site.damage = two_webs.ports, damage

    outcome = await played(site, CUT)

    assert any("stored" in complaint for complaint in outcome.broken), outcome.broken


async def test_a_session_that_never_ends_would_be_noticed(two_webs: TwoWebs) -> None:
    plan = replace(CUT, patience_s=3.0, pace=1.0)

    outcome = await played(two_webs, plan)

    assert outcome.broken[0].startswith("hung")
