"""Check 1: the last word is heard although the audio stops with it, and stored although the client vanishes."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.scoring import units
from benchmarks.speech import Clip
from tests.acceptance.faults import LosesTail
from tests.acceptance.recordings import Ears, read_clips, without_tail
from tests.acceptance.sessions import fault, stored_texts, wait_until_over
from tests.inference.worker import say, to_pcm
from tests.speech import clips
from tests.stack import Stack
from tests.stream_client import open_stream

pytestmark = pytest.mark.timeout(300)

NUM_CLIPS = 16
PATIENCE_S = 30.0
SAID = "alpha bravo charlie delta echo foxtrot golf"


@pytest.fixture(scope="module")
def chosen(speech_dir: Path) -> list[Clip]:
    return read_clips(speech_dir, NUM_CLIPS)


def assert_last_words_are_heard(ears: Ears, chosen: list[Clip]) -> None:
    """As often as by the same weights on the whole clip, uncut; one clip may differ by chance."""
    lasts = [units(clip.text, by_character=False)[-1:] for clip in chosen]
    whole = sum(ears.whole(clip.audio())[-1:] == last for clip, last in zip(chosen, lasts, strict=True))
    live = sum(ears.live(without_tail(clip.audio())).words[-1:] == last for clip, last in zip(chosen, lasts, strict=True))
    assert whole > len(chosen) * 0.6
    assert live >= whole - 1, f"{live} last words are heard, {whole} in whole clips"


@pytest.mark.speech
def test_last_words_are_heard_in_16_clips_when_the_audio_stops_with_them(ears: Ears, chosen: list[Clip]) -> None:
    assert_last_words_are_heard(ears, chosen)


@pytest.mark.speech
def test_whisper_base_hears_the_last_words_of_6_clips_too(base_ears: Ears, chosen: list[Clip]) -> None:
    assert_last_words_are_heard(base_ears, chosen[:6])


@pytest.mark.speech
def test_last_words_lost_before_the_final_would_be_noticed(ears: Ears, chosen: list[Clip]) -> None:
    some = chosen[::2]
    ears.know(clip.audio() for clip in some)

    with pytest.raises(AssertionError, match="last words are heard"):
        assert_last_words_are_heard(ears.faulty(LosesTail), some)


async def assert_stored_after_vanishing(stack: Stack, pcm: bytes, ending: list[str]) -> None:
    """A client that sends all its audio and is gone without a word leaves a transcript that ends with `ending`."""
    async with open_stream(stack.ws_url) as client:
        await client.tell("start", language="en")
        await client.send(pcm)
        await client.expect("ready")
        client.socket.transport.abort()
    await asyncio.to_thread(wait_until_over, stack, client.session, PATIENCE_S)
    words = units(" ".join(stored_texts(stack, client.session)), by_character=False)
    assert words[-len(ending) :] == ending


@pytest.mark.integration
async def test_what_a_vanished_speaker_said_is_stored_to_the_last_word(scripted_stack: Stack) -> None:
    await assert_stored_after_vanishing(scripted_stack, say(SAID), SAID.split())


@pytest.mark.integration
async def test_a_last_word_that_is_not_stored_would_be_noticed(scripted_stack: Stack) -> None:
    with fault(scripted_stack, "loses-tail"), pytest.raises(AssertionError):
        await assert_stored_after_vanishing(scripted_stack, say(SAID), SAID.split())


@pytest.mark.integration
async def test_recorded_speech_of_vanished_speakers_is_stored_to_the_last_word(hark_server: Stack) -> None:
    heard = [clip for clip in clips("en") if clip.words[-1] in {"team", "ago", "wales"}]
    assert heard

    for clip in heard[:2]:
        await assert_stored_after_vanishing(hark_server, to_pcm(without_tail(clip.audio)), clip.words[-1:])
