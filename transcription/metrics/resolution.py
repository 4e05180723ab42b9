"""Which samples to read for a stretch of time, of those that are still kept and are not too many. Pure.

For one number the finest; for a line the coarsest that its steps can be made of, since it costs the fewest rows.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

RESOLUTIONS_S: Final = (10, 60, 600, 3600)
MAX_SAMPLES: Final = 3_000
"""Of one series, for one question."""


class Slots(NamedTuple):
    """Equal steps of time, those of `resolution_s` or some of them together. Seconds since 1970; `until_s` is not in it any more.

    num: how many steps there are; the last one may reach beyond `until_s`.
    """

    since_s: int
    until_s: int
    step_s: int
    resolution_s: int

    @property
    def num(self) -> int:
        return max(0, -(-(self.until_s - self.since_s) // self.step_s))


def resolutions_for(since_s: float, until_s: float, now_s: float, kept: Mapping[int, timedelta]) -> list[int]:
    """Seconds of each sample that could be read, the finest first; at least those of an hour.

    kept: how long those of each resolution are kept.
    """
    *finer, coarsest = RESOLUTIONS_S
    age_s, length_s = now_s - since_s, until_s - since_s
    readable = [each for each in finer if age_s <= kept[each].total_seconds() and length_s / each <= MAX_SAMPLES]
    return [*readable, coarsest]


def stepped(since: datetime, until: datetime, step: timedelta, now: datetime, kept: Mapping[int, timedelta]) -> Slots:
    """Steps as long as wished, or as the samples are, beginning at whole multiples of their length."""
    readable = resolutions_for(since.timestamp(), until.timestamp(), now.timestamp(), kept)
    wanted_s = round(step.total_seconds())
    resolution_s = max((each for each in readable if wanted_s % each == 0), default=readable[0])
    step_s = max(1, -(-wanted_s // resolution_s)) * resolution_s
    since_s = int(since.timestamp()) // step_s * step_s
    return Slots(since_s, _rounded_up(until), step_s, resolution_s)


def whole(window: timedelta, until: datetime, now: datetime, kept: Mapping[int, timedelta]) -> Slots:
    """One step: the window."""
    since_s = round((until - window).timestamp())
    until_s = max(since_s + 1, _rounded_up(until))
    resolution_s = resolutions_for(since_s, until_s, now.timestamp(), kept)[0]
    return Slots(since_s, until_s, until_s - since_s, resolution_s)


def _rounded_up(moment: datetime) -> int:
    return -int(-moment.timestamp() // 1)
