"""Check 7: partials are replaced, finals stay; who follows the events holds the text that is stored, byte for byte."""

import asyncio
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from random import Random

import psycopg
import pytest

from benchmarks.scoring import units
from inference.engines.fake import VOCABULARY, FakeEngine, speak
from inference.messages import TranscriptFinal, TranscriptUpdated
from inference.stream import Heard, Stream
from tests.acceptance.faults import BreaksPromises, Flickers
from tests.acceptance.recordings import Ears, read_clips
from tests.acceptance.rig import Rig, Transcript
from tests.acceptance.sessions import stored_texts
from tests.inference.worker import say
from tests.stack import Stack
from tests.stream_client import assert_well_formed, open_stream

pytestmark = pytest.mark.timeout(300)

NUM_SESSIONS = 16
NUM_CLIPS = 14
MAX_REVISED_SHARE = 0.2
MAX_COSMETIC_SHARE = 0.05


@dataclass
class Follower:
    """A client that does what docs/protocol.md says: a partial replaces the one before, a final stays."""

    finals: dict[int, str] = field(default_factory=dict)
    shown: dict[int, str] = field(default_factory=dict)
    stable: dict[int, str] = field(default_factory=dict)

    def follow(self, is_final: bool, segment: int, text: str, stable: str = "") -> None:
        assert segment not in self.finals, "text came for a segment that was final"
        assert segment == len(self.finals), "a segment was skipped"
        assert text.startswith(self.stable.get(segment, "")) or is_final, "a stable word changed"
        if is_final:
            self.finals[segment] = text
            self.shown.pop(segment, None)
        else:
            self.shown[segment], self.stable[segment] = text, stable

    @property
    def text(self) -> str:
        assert not self.shown, "a partial was left behind"
        return "\n".join(self.finals.values())


def long_talk(number: int) -> list[str]:
    """Sentences of a speaker."""
    random = Random(number)
    return [" ".join(random.choices(VOCABULARY, k=random.randint(2, 12))) for _ in range(8)]


async def assert_followed_text_is_stored(stack: Stack, sentences: list[str], damage: str = "") -> None:
    """`damage`: SQL that a test does to the stored segments before they are compared."""
    follower = Follower()
    async with open_stream(stack.ws_url) as client:
        for number, sentence in enumerate(sentences):
            await client.send(say(sentence, 0.7), piece_bytes=640 * (number + 1))
            if number % 3 == 2:
                await client.tell("finalize")
        assert_well_formed(await client.finish())
    for message in client.messages:
        if message["type"] in {"partial", "final"}:
            follower.follow(message["type"] == "final", message["segment"], message["text"], message.get("stable", ""))
    if damage:
        with psycopg.connect(stack.database_url) as connection:
            connection.execute(f"UPDATE transcription_segment SET {damage} WHERE session_id = %s", [client.session])  # noqa: S608
    assert follower.text.split() == " ".join(sentences).split()
    assert follower.text.encode() == "\n".join(await asyncio.to_thread(stored_texts, stack, client.session)).encode()


@pytest.mark.integration
async def test_what_16_clients_assembled_from_events_is_what_is_stored(scripted_stack: Stack) -> None:
    talks = [long_talk(number) for number in range(NUM_SESSIONS)]

    await asyncio.gather(*(assert_followed_text_is_stored(scripted_stack, talk) for talk in talks))


@pytest.mark.integration
@pytest.mark.parametrize("damage", ["text = text || ' '", "text = upper(text)", "number = 100 - number"])
async def test_another_text_in_the_store_would_be_noticed(scripted_stack: Stack, damage: str) -> None:
    with pytest.raises(AssertionError):
        await assert_followed_text_is_stored(scripted_stack, long_talk(0)[:4], damage)


def followed(transcript: Transcript) -> Follower:
    """The events of recognition itself, applied as a client would."""
    follower = Follower()
    for event in transcript.events:
        if isinstance(event, TranscriptFinal):
            follower.follow(True, event.segment, event.text)
        elif isinstance(event, TranscriptUpdated):
            follower.follow(False, event.segment, event.text, event.stable)
    return follower


TALK = speak(" ".join(VOCABULARY))


def test_what_was_called_stable_stays() -> None:
    assert followed(Rig(FakeEngine()).hear(TALK)).text.split() == list(VOCABULARY)


def test_a_stable_word_that_changes_would_be_noticed() -> None:
    transcript = Rig(BreaksPromises(FakeEngine())).hear(TALK)

    with pytest.raises(AssertionError):
        followed(transcript)


def test_a_final_that_comes_again_with_other_words_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    complete = Stream.complete

    def twice(stream: Stream, heard: Heard) -> None:
        complete(stream, heard)
        (final,) = [event for event in stream.events if isinstance(event, TranscriptFinal)]
        stream.events.append(type(final)(**{name: getattr(final, name) for name in final.__struct_fields__} | {"text": "else"}))

    monkeypatch.setattr(Stream, "complete", twice)
    transcript = Rig(FakeEngine()).hear(speak("alpha bravo charlie"))

    with pytest.raises(AssertionError):
        followed(transcript)


def num_kept(before: list[str], after: list[str]) -> int:
    """How many words of the one text stand in the next, in the same order."""
    return sum(block.size for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks())


@dataclass
class Revisions:
    """Over several streams: words shown in partials, and how many the next text of the segment or its final took back.

    num_cosmetic: partials that differ from the one before in nothing but case or punctuation.
    """

    num_shown: int = 0
    num_revised: int = 0
    num_updates: int = 0
    num_cosmetic: int = 0

    def count(self, partials: list[str], final: str) -> None:
        """The texts of one segment."""
        texts = ["", *partials, final]
        words = [units(text, by_character=False) for text in texts]
        self.num_revised += sum(len(before) - num_kept(before, after) for before, after in pairwise(words))
        self.num_shown += sum(len(after) - num_kept(before, after) for before, after in pairwise(words[:-1]))
        self.num_updates += len(partials)
        self.num_cosmetic += sum(
            words[place] == words[place - 1] and texts[place] != texts[place - 1] for place in range(1, len(texts) - 1)
        )


def texts_by_segment(transcript: Transcript) -> list[list[str]]:
    texts: dict[int, list[str]] = {}
    for event in transcript.events:
        if isinstance(event, TranscriptUpdated | TranscriptFinal):
            texts.setdefault(event.segment, []).append(event.text)
    return list(texts.values())


def assert_interim_words_mostly_stay(transcripts: list[Transcript]) -> None:
    revisions = Revisions()
    for transcript in transcripts:
        followed(transcript)
        for texts in texts_by_segment(transcript):
            revisions.count(texts[:-1], texts[-1])
    assert revisions.num_updates > 5 * len(transcripts)
    assert revisions.num_revised <= MAX_REVISED_SHARE * revisions.num_shown, revisions
    assert revisions.num_cosmetic <= MAX_COSMETIC_SHARE * revisions.num_updates, revisions


def heard_with_partials(ears: Ears, folder: Path) -> list[Transcript]:
    return [ears.live(clip.audio(), interim=True) for clip in read_clips(folder, NUM_CLIPS, longest_s=7.0)]


@pytest.mark.speech
def test_at_most_a_fifth_of_the_words_shown_meanwhile_are_taken_back(ears: Ears, speech_dir: Path) -> None:
    assert_interim_words_mostly_stay(heard_with_partials(ears, speech_dir))


def test_words_that_come_and_go_would_be_noticed() -> None:
    transcript = Rig(Flickers(FakeEngine())).hear(TALK)

    with pytest.raises(AssertionError, match="num_revised"):
        assert_interim_words_mostly_stay([transcript])
