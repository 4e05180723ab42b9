"""The bad network does what it says, and the same again for the same seed; its client loses nothing over it.

The server here is a page long: that of Hark is tested in tests/acceptance/test_17_resume.py.
"""

import pytest

from benchmarks.network.campaign import Climate, Plan, plans, play, play_all, undisturbed
from benchmarks.network.client import Heard
from benchmarks.network.proxy import Cut, Weather
from benchmarks.network.talks import Talk, scripted
from benchmarks.network.verdict import Outcome
from benchmarks.network.wire import Stall
from tests.benchmarks.network.counting_server import CountingServer, counting_server

TALK = scripted(1, 8.0)
PACE = 8.0


async def outcome_of(plan: Plan) -> Outcome:
    async with counting_server() as server:
        return await play(server, plan, await heard_of(server, plan.talk))


async def heard_of(server: CountingServer, talk: Talk) -> Heard:
    return (await undisturbed(server, [talk], 1))[talk.name]


async def test_a_good_network_changes_nothing() -> None:
    outcome = await outcome_of(Plan(TALK, pace=PACE))

    assert outcome.broken == []
    assert outcome.heard.words == [word.text for word in TALK.words]
    assert (outcome.told.num_lost, outcome.told.num_doubled, outcome.told.num_cut) == (0, 0, 0)


async def test_lost_doubled_and_overtaken_frames_are_made_good() -> None:
    outcome = await outcome_of(Plan(TALK, Weather(3, lost=0.2, doubled=0.2, overtaken=0.2), pace=PACE))

    assert outcome.broken == []
    assert outcome.told.num_lost > 0
    assert outcome.told.num_doubled > 0
    assert outcome.told.num_overtaken > 0
    assert outcome.heard.num_nacks > 0
    assert outcome.heard.num_resent > 0


@pytest.mark.parametrize("cut", [Cut(0.3, at_s=3), Cut(0.3, at_s=3, is_half_open=True), Cut(0.2, on="end"), Cut(0.2, on="ack")])
async def test_a_cut_is_survived_and_meanwhile_connections_are_refused(cut: Cut) -> None:
    outcome = await outcome_of(Plan(TALK, cuts=(cut,), pace=PACE))

    assert outcome.broken == []
    assert (outcome.told.num_cut, outcome.heard.num_resumed) == (1, 1)
    assert outcome.told.num_refused > 0
    assert outcome.told.num_old_sockets == int(cut.is_half_open)
    assert (outcome.told.num_late_events > 0) == cut.is_half_open


async def test_a_message_that_stops_in_its_middle_arrives_whole() -> None:
    outcome = await outcome_of(Plan(TALK, stalls=(Stall(20_001, 0.2), Stall(50_003, 0.2)), pace=PACE))

    assert outcome.broken == []
    assert outcome.told.num_stalled == 2


async def test_a_cut_longer_than_the_buffer_is_told_as_a_gap() -> None:
    outcome = await outcome_of(Plan(TALK, cuts=(Cut(0.5, at_s=3),), pace=PACE, buffer_s=2.0, is_lossy=True))

    assert outcome.broken == []
    assert outcome.heard.gaps


async def test_a_loss_that_was_not_expected_is_told() -> None:
    outcome = await outcome_of(Plan(TALK, cuts=(Cut(0.5, at_s=3),), pace=PACE, buffer_s=2.0))

    assert any("a gap" in sentence for sentence in outcome.broken)
    assert any("words instead of" in sentence for sentence in outcome.broken)


def test_what_happens_to_a_frame_follows_from_seed_and_number() -> None:
    one, again, other = (Weather(seed, 0.1, 0.1, 0.1) for seed in (1, 1, 2))

    fates = [[weather.fate(number) for number in range(500)] for weather in (one, again, other)]

    assert fates[0] == fates[1]
    assert fates[0] != fates[2]
    assert {len(fate) for fate in fates[0]} == {0, 1, 2}


def test_plans_are_the_same_for_the_same_seed_and_have_every_cut() -> None:
    climate = Climate(seconds=20.0)

    wanted = plans(climate, 30)

    assert wanted == plans(climate, 30)
    assert all({1.0, 5.0, 20.0} <= {cut.length_s for cut in plan.cuts} for plan in wanted)
    assert sum(plan.is_lossy for plan in wanted) == 3


async def test_many_sessions_on_one_network_do_not_meet() -> None:
    async with counting_server() as server:
        outcomes = await play_all(server, plans(Climate(6.0, (0.2, 0.4), PACE, lossy_every=0), 6), at_once=6)

    assert [outcome.broken for outcome in outcomes] == [[]] * 6
