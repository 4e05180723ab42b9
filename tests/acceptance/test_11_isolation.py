"""Check 11: nobody reads what somebody else said, however often sessions come and go on the same places and in one batch."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from benchmarks.scoring import ErrorRate
from inference.audio import SAMPLE_RATE_HZ
from inference.engines.fake import VOCABULARY
from tests.acceptance.conftest import MAX_STREAMS
from tests.acceptance.faults import MixesRows
from tests.acceptance.recordings import Ears, read_clips, without_tail
from tests.acceptance.rig import Rig, silence
from tests.acceptance.sessions import fault, stored_texts
from tests.inference.worker import say
from tests.stack import Stack
from tests.stream_client import assert_well_formed, open_stream

pytestmark = pytest.mark.timeout(300)

NUM_LANES = 40
NUM_SESSIONS_A_LANE = 7
NUM_REUSED = 200
NUM_WORDS = 6
VANISHES_EVERY = 5
LONGEST_S = 6.0
Heard = dict[str, list[str]]
"""What was shown or stored of each session, by the sentence that was spoken in it."""


def sentences(count: int) -> list[str]:
    """As many different ones: half of each is the same words in another order, so that no word is missing by chance."""
    random = Random(11)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(random.sample(VOCABULARY, NUM_WORDS))] = None
    return list(found)


async def speak_by_turns(stack: Stack, spoken: list[str]) -> Heard:
    """`NUM_LANES` speakers at once; when a session is over the next one takes its place. Some vanish in mid-sentence."""
    heard: Heard = {}

    async def lane(own: list[str]) -> None:
        for number, sentence in enumerate(own, start=1):
            heard[sentence] = await speak(stack, sentence, is_vanishing=number % VANISHES_EVERY == 0)

    await asyncio.gather(*(lane(spoken[first::NUM_LANES]) for first in range(NUM_LANES)))
    return heard


async def speak(stack: Stack, sentence: str, *, is_vanishing: bool) -> list[str]:
    """Every text that the session showed; one that vanishes shows what came until then."""
    async with open_stream(stack.ws_url) as client:
        await client.send(say(sentence, 0.6))
        if is_vanishing:
            await client.expect("speech_started")
            client.socket.transport.abort()
        else:
            assert_well_formed(await client.finish())
        stored = [] if is_vanishing else await asyncio.to_thread(stored_texts, stack, client.session)
        return [message["text"] for message in client.messages if "text" in message] + stored


def assert_nobody_hears_others(heard: Heard) -> None:
    """Every text of a session is how its own sentence begins, and some are all of it."""
    foreign = {sentence: texts for sentence, texts in heard.items() if not all(sentence.startswith(text) for text in texts)}
    assert foreign == {}
    assert sum(sentence in texts for sentence, texts in heard.items()) >= len(heard) * (1 - 1 / VANISHES_EVERY) - 1


@pytest.mark.integration
async def test_280_sessions_on_48_places_hear_their_own_words_only(scripted_stack: Stack) -> None:
    spoken = sentences(NUM_LANES * NUM_SESSIONS_A_LANE)
    assert len(spoken) - MAX_STREAMS >= NUM_REUSED

    assert_nobody_hears_others(await speak_by_turns(scripted_stack, spoken))


@pytest.mark.integration
@pytest.mark.parametrize("name", ["mixes-rows", "keeps-slots"])
async def test_words_of_a_neighbour_or_of_a_former_session_would_be_noticed(scripted_stack: Stack, name: str) -> None:
    with fault(scripted_stack, name):
        heard = await speak_by_turns(scripted_stack, sentences(NUM_LANES * 2))

    with pytest.raises(AssertionError):
        assert_nobody_hears_others(heard)


def assert_everybody_is_heard(texts: list[list[str]], alone: list[list[str]]) -> None:
    """In a batch as alone, but for a word in twenty: arithmetic in a batch rounds differently."""
    errors = ErrorRate()
    for heard, wanted in zip(texts, alone, strict=True):
        num_other = errors.add(wanted, heard)
        assert num_other <= len(wanted) / 3, f"{' '.join(heard)} instead of {' '.join(wanted)}"
    assert errors.percent <= 5


@pytest.mark.speech
def test_eight_voices_in_one_batch_each_get_the_words_that_they_get_alone(speech_dir: Path, ears: Ears) -> None:
    """All stop at the same moment, so that their finals make one batch."""
    audios = [before_the_end(without_tail(clip.audio())) for clip in read_clips(speech_dir, 8, longest_s=LONGEST_S)]
    alone = [ears.live(audio).words for audio in audios]
    options: dict[str, Any] = {"languages": ("en",), "interim": False}

    together = Rig(ears.engine, max_batch=8).hear_all(audios, **options)
    mixed = Rig(MixesRows(ears.engine), max_batch=8).hear_all(audios, **options)

    assert len({tuple(words) for words in alone}) == 8
    assert_everybody_is_heard([transcript.words for transcript in together], alone)
    with pytest.raises(AssertionError):
        assert_everybody_is_heard([transcript.words for transcript in mixed], alone)


def before_the_end(audio: np.ndarray) -> np.ndarray:
    """`audio` with silence before it, so that it ends after `LONGEST_S`."""
    return np.concatenate([silence(LONGEST_S), audio])[-round(LONGEST_S * SAMPLE_RATE_HZ) :]
