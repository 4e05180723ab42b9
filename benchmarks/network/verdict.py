"""What is demanded of a session that went over a bad network. Each rule that is broken is a sentence."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from benchmarks.network.client import Heard
from benchmarks.network.proxy import Told
from benchmarks.network.talks import Spoken, Talk

SAMPLES_PER_MS: Final = 16
NEAR_GAP_MS: Final = 100
"""A word this near to a gap may have lost its edge."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds of a session. gaps: from and to, in milliseconds."""

    status: str
    texts: tuple[str, ...]
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    gaps: tuple[tuple[int, int], ...] = ()


NOTHING_STORED: Final = Stored("", (), 0, 0, 0, 0)


@dataclass(slots=True)
class Outcome:
    """One session. `undisturbed`: the same talk over a good network. is_lossy: a cut was longer than the client's buffer.

    is_moved: recognition went on in another web process, where a segment may begin at another sample. failure: why it broke
    off, or empty.
    """

    talk: Talk
    heard: Heard
    told: Told
    undisturbed: Heard
    stored: Stored = NOTHING_STORED
    is_lossy: bool = False
    is_moved: bool = False
    failure: str = ""
    broken: list[str] = field(default_factory=list)


def broken_rules(outcome: Outcome) -> list[str]:
    """Sentences; empty when all is well."""
    if outcome.failure:
        return [outcome.failure]
    rules = [*COMMON_RULES, *(LOSSY_RULES if outcome.is_lossy else LOSSLESS_RULES)]
    return [complaint for rule in rules for complaint in rule(outcome)]


def one_session(outcome: Outcome) -> list[str]:
    named = dict.fromkeys(outcome.heard.sessions)
    return [] if len(named) == 1 else [f"{len(named)} sessions instead of one: {', '.join(named)}"]


def one_terminal_message(outcome: Outcome) -> list[str]:
    terminals = outcome.heard.terminals
    if [message["type"] for message in terminals] == ["done"]:
        return []
    told = [f"{message['type']} {message.get('code', '')} {message.get('message', '')}".strip() for message in terminals]
    return [f"terminal messages: {told or 'none'}"]


def nothing_strange(outcome: Outcome) -> list[str]:
    """What the client itself noticed: finals that change or skip, messages after the last, samples asked for once more."""
    return outcome.heard.complaints + [f"a warning: {warning['code']}" for warning in outcome.heard.warnings]


def account_adds_up(outcome: Outcome) -> list[str]:
    done = outcome.heard.done or {}
    if not done:
        return []
    parts = done["transcribed_ms"] + done["silence_ms"] + done["gap_ms"]
    complaints = []
    if done["received_ms"] != parts:
        complaints.append(f"received {done['received_ms']} ms are not {parts} ms of transcribed, silence and gap")
    if done["received_ms"] != outcome.talk.length_ms:
        complaints.append(f"received {done['received_ms']} ms; {outcome.talk.length_ms} ms were spoken")
    return complaints


def stored_as_heard(outcome: Outcome) -> list[str]:
    stored, done = outcome.stored, outcome.heard.done or {}
    complaints = []
    if list(stored.texts) != outcome.heard.texts:
        complaints.append(f"stored are {list(stored.texts)}, the client has {outcome.heard.texts}")
    if any(done and done[name] != getattr(stored, name) for name in ("received_ms", "transcribed_ms", "silence_ms", "gap_ms")):
        complaints.append(f"the stored account {stored} is not that of {done}")
    if done and stored.status != ("complete" if done["complete"] else "incomplete"):
        complaints.append(f"stored as {stored.status!r}, done said complete={done['complete']}")
    return complaints


def is_complete(outcome: Outcome) -> list[str]:
    done = outcome.heard.done
    complaints = [f"a gap: {gap}" for gap in outcome.heard.gaps]
    if done is not None and not (done["complete"] and done["gap_ms"] == 0):
        complaints.append(f"not complete: {done['gap_ms']} ms of gap")
    return complaints


def every_word_once(outcome: Outcome) -> list[str]:
    spoken = [word.text for word in outcome.talk.words]
    if not spoken or outcome.heard.words == spoken:
        return []
    return [difference(spoken, outcome.heard.words)]


def as_undisturbed(outcome: Outcome) -> list[str]:
    if outcome.is_moved:
        before, after = outcome.undisturbed.words, outcome.heard.words
        return [] if before == after else [f"undisturbed: {difference(before, after)}"]
    before_finals, after_finals = _shape(outcome.undisturbed), _shape(outcome.heard)
    return [] if before_finals == after_finals else [f"other finals than undisturbed: {before_finals} became {after_finals}"]


def loss_is_told(outcome: Outcome) -> list[str]:
    """A gap entry, its length in the account, and not complete."""
    done = outcome.heard.done
    complaints = [] if outcome.heard.gaps else ["no gap was told"]
    if done is not None and done["complete"]:
        complaints.append("called complete although audio is missing")
    told = [(gap["from_ms"], gap["to_ms"]) for gap in outcome.heard.gaps]
    for name, gaps in (("told", told), ("stored", outcome.stored.gaps)):
        length_ms = union_ms(gaps)
        if done is not None and abs(length_ms - done["gap_ms"]) > len(gaps) + 1:
            complaints.append(f"gaps of {length_ms} ms were {name}, {done['gap_ms']} ms are in the account: {gaps}")
    if any(before[1] > after[0] for before, after in pairwise(outcome.stored.gaps)):
        complaints.append(f"stored gaps overlap: {outcome.stored.gaps}")
    return complaints


def words_outside_gaps(outcome: Outcome) -> list[str]:
    """All that were spoken outside the gaps are heard, once and in order; one at the edge may be, or in two halves."""
    if not outcome.talk.words:
        return []
    pattern = "".join(f"(?:{word.text} ){_times(word, outcome.heard.gaps)}" for word in outcome.talk.words)
    heard = "".join(f"{word} " for word in outcome.heard.words)
    return [] if re.fullmatch(pattern, heard) else [f"with gaps {outcome.heard.gaps} the words are {heard}, not {pattern}"]


COMMON_RULES: Final[tuple[Callable[[Outcome], list[str]], ...]] = (
    one_session, one_terminal_message, nothing_strange, account_adds_up, stored_as_heard,
)  # fmt: skip
LOSSLESS_RULES: Final[tuple[Callable[[Outcome], list[str]], ...]] = (is_complete, every_word_once, as_undisturbed)
LOSSY_RULES: Final[tuple[Callable[[Outcome], list[str]], ...]] = (loss_is_told, words_outside_gaps)


def difference(wanted: list[str], came: list[str]) -> str:
    """Where two lists of words part."""
    pairs = enumerate(zip(wanted, came, strict=False))
    at = next((place for place, (one, other) in pairs if one != other), min(len(wanted), len(came)))
    return f"{len(came)} words instead of {len(wanted)}; from number {at} on {came[at : at + 6]} instead of {wanted[at : at + 6]}"


def union_ms(gaps: Iterable[tuple[int, int]]) -> int:
    """How much they cover together. One may be told again, and longer, by another web process."""
    covered_ms = end_ms = 0
    for start, end in sorted(gaps):
        covered_ms += max(0, end - max(start, end_ms))
        end_ms = max(end_ms, end)
    return covered_ms


def _shape(heard: Heard) -> list[tuple[Any, ...]]:
    return [tuple(heard.finals[number][name] for name in ("text", "start_ms", "end_ms")) for number in sorted(heard.finals)]


def _times(word: Spoken, gaps: list[dict[str, Any]]) -> str:
    """How often a word may be heard, as part of a regular expression."""
    start_ms, end_ms = word.start // SAMPLES_PER_MS, word.end // SAMPLES_PER_MS
    if any(gap["from_ms"] <= start_ms and end_ms <= gap["to_ms"] for gap in gaps):
        return "{0}"
    is_near = any(gap["from_ms"] - NEAR_GAP_MS < end_ms and start_ms < gap["to_ms"] + NEAR_GAP_MS for gap in gaps)
    return "{0,2}" if is_near else "{1}"
