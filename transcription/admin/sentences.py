"""Sentences of the record and of pure modules, which are written in English, in the reader's language.

A swap is carried out by a worker and recorded once, for all who will read it; schedules and inference processes know no
languages of people at all. What they say is recognised by its wording; a test finds what is missing here.
"""

import re
from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

ASKED: Final = _("Asked for %(model)s.")
WENT_BACK: Final = _("Went back to %(model)s.")
FOLLOWS_SCHEDULE: Final = _("Let the schedule decide again.")
PUT_INTO_SERVICE: Final = _("Put into service.")
MADE_READY: Final = _("Lighter model, made ready.")
PAIRED: Final = _("Model of partial texts, made ready.")

KNOWN: Final = (
    # What the pages of this site write into the record.
    ASKED,
    WENT_BACK,
    FOLLOWS_SCHEDULE,
    PUT_INTO_SERVICE,
    MADE_READY,
    PAIRED,
    # transcription.swaps
    _("Another wish for this route came before this one was begun."),
    _("%(model)s serves %(route)s already."),
    _("%(route)s has had no other model that it could go back to."),
    _("%(model)s is disabled in the catalogue: enable it there first."),
    _("%(model)s knows %(languages)s, not %(language)s: choose a model that does."),
    _("The worker that carried this swap out came to its end. The old model serves."),
    _("The route or the model was deleted meanwhile."),
    _("The route was deleted meanwhile."),
    _("The route has another model by now."),
    _("The route is not in service."),
    _("No reference clip is in a language that the model knows."),
    _("%(model)s stays in memory: a route or HARK_MODELS names it."),
    _("%(reason)s No other inference process serves %(model)s, so none could take its streams while room is made."),
    _("%(reason)s Room cannot be made: %(model)s stays in memory, since another route or HARK_MODELS names it."),
    _(
        "%(reason)s Room could be made, but its %(number)s streams would have to go on at %(others)s, where %(free)s places are "
        "left. Try again when fewer people speak."
    ),
    _("There is too little memory for both models, so %(model)s makes room here first; its streams go on at %(others)s."),
    _("There is too little memory for both models: %(model)s makes room here when streams have gone over to %(others)s."),
    _("%(model)s is loaded again."),
    _("%(model)s could not be loaded again: %(reason)s"),
    _("No inference process has %(old)s any more, so %(new)s goes on serving."),
    _("%(detail)s It loads the model when it is back."),
    _("No inference process answers, so none could load the model."),
    _("%(seconds)s s, %(memory)s MB, %(rest)s"),
    _("reference clip: %(share)s of the words wrong, %(rest)s"),
    _("reference clip: %(share)s of the words wrong"),
    _("%(seconds)s s for a second of audio"),
    _("%(before)s MB before, %(after)s MB after, %(rest)s"),
    _("%(before)s MB before, %(after)s MB after"),
    _("%(number)s streams went on with another model, %(rest)s"),
    _("%(number)s streams went on with another model"),
    _("%(number)s streams went on in other processes"),
    _("%(number)s streams had none"),
    _("An inference process lacks it."),
    _("No window holds."),
    _("Window %(window)s."),
    _("The override would end at %(at)s, which is over. Give it an end to come."),
    _("Texts were %(number)s ms late."),
    # transcription.schedules
    _("Days are 0 (Monday) to 6 (Sunday); %(days)s came."),
    _("A day stands in the list twice."),
    _("The window has no day. Choose at least one on which it begins."),
    _("From %(starts)s to %(ends)s is nothing. Write 00:00 to 00:00 for the whole day."),
    _("The time zone %(name)s is unknown. %(hint)s"),
    _("Did you mean %(one)s or %(other)s?"),
    _("Did you mean %(name)s?"),
    _("Expected a name such as Europe/Berlin or UTC."),
    # inference
    _("No inference process answers."),
    _("Models are loading."),
    _("Speech recognition is held up."),
    _("%(number)s million parameters, about %(memory)s MB."),
    _("There was not enough memory while %(model)s was being loaded. Unload another model."),
    _("%(model)s broke while it was being loaded (%(error)s). The log has the details."),
    _(
        "%(model)s needs about %(needed)s MB to be loaded, and %(free)s MB are free on %(place)s. "
        "Unload another model, or take a smaller one."
    ),
    _(
        "%(model)s wrote %(written)s where %(said)s is said: %(wrong)s of the words are wrong, and %(limit)s may be. "
        "Keep the model that runs, or see whether this one knows the language."
    ),
    _(
        "%(model)s computed %(seconds)s s for a second of audio, and %(limit)s s may be. "
        "Take a smaller model or another precision."
    ),
    _("%(model)s is the only model here. Load another one first."),
    _("%(model)s is heard by streams in %(languages)s, which no other model here knows. Load one that does first."),
    _("%(model)s was asked for again while it was being unloaded, so it stays."),
)
WORKER: Final = re.compile(r"(inference-\d+): (.+)", re.DOTALL)


def pattern_of(text: str) -> re.Pattern[str]:
    """What `text` becomes when its placeholders are filled in."""
    parts = re.split(r"%\((\w+)\)s", text)
    named = [f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile("".join(named), re.DOTALL)


PATTERNS: Final = [(pattern_of(text), text) for text in KNOWN]


def is_known(sentence: str) -> bool:
    return any(pattern.fullmatch(sentence) for pattern, _text in PATTERNS)


def localised(sentence: str) -> str:
    """`sentence` as its reader would say it; as it is, if it is none of these."""
    if of_worker := WORKER.fullmatch(sentence):
        return f"{of_worker[1]}: {localised(of_worker[2])}"
    for pattern, text in PATTERNS:
        if found := pattern.fullmatch(sentence):
            return gettext(text) % {name: localised(value) for name, value in found.groupdict().items()}
    return sentence
