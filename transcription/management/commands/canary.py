"""`manage.py canary`: play the reference clips to the server now and say what it heard."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from transcription.accuracy.rounds import play_round
from transcription.models import CanaryRun


class Command(BaseCommand):
    help = "Play every reference clip to every model that serves, now, and say how many words were wrong."

    def handle(self, *_args: Any, **_options: Any) -> None:
        runs = play_round()
        if not runs:
            raise CommandError("Nothing was played: another round runs, or HARK_CANARY_DIR has no clip that a model knows.")
        for run in runs:
            self.stdout.write(described(run))
        if any(run.error for run in runs):
            raise CommandError("Not everything could be played.")


def described(run: CanaryRun) -> str:
    if run.error:
        return f"{run}: {run.error}"
    wait = "no text after its end" if run.final_ms is None else f"text at most {run.final_ms} ms after its end"
    return f"{run}: {run.num_errors} of {run.num_words} words wrong in {run.num_clips} clips, {wait}"
