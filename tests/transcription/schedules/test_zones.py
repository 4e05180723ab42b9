"""Moments of wall times: ordinary days, the two days a year on which clocks jump, and names that are misspelt."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcription.schedules.zones import UnknownZoneError, moment_of, zone_named, zone_names

MOMENTS = [  # zone, day, wall time, moment in UTC
    ("UTC", "2026-05-01", "00:00", "2026-05-01T00:00"),
    ("Europe/Berlin", "2026-01-15", "22:00", "2026-01-15T21:00"),
    ("Europe/Berlin", "2026-07-15", "22:00", "2026-07-15T20:00"),
    ("Europe/Berlin", "2026-03-29", "01:59", "2026-03-29T00:59"),
    ("Europe/Berlin", "2026-03-29", "02:00", "2026-03-29T01:00"),  # never shown: 02:00 to 02:59 are skipped
    ("Europe/Berlin", "2026-03-29", "02:59", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-03-29", "03:00", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30"),  # shown twice: the first time counts
    ("Europe/Berlin", "2026-10-25", "03:00", "2026-10-25T02:00"),
    ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00"),
    ("Australia/Lord_Howe", "2026-10-04", "02:10", "2026-10-03T15:30"),  # half an hour is skipped
    ("America/Asuncion", "2023-10-01", "00:00", "2023-10-01T04:00"),  # midnight itself is skipped
    ("Pacific/Apia", "2011-12-30", "12:00", "2011-12-30T10:00"),  # a whole day was skipped
    ("Asia/Kathmandu", "2026-05-01", "05:45", "2026-05-01T00:00"),
]


@pytest.mark.parametrize(("zone", "day", "wall", "moment"), MOMENTS)
def test_a_wall_time_is_this_moment(zone: str, day: str, wall: str, moment: str) -> None:
    found = moment_of(date.fromisoformat(day), time.fromisoformat(wall), ZoneInfo(zone))

    assert found == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@settings(deadline=None)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Gaza", "Africa/Casablanca"]),
    day=st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    walls=st.tuples(st.times(), st.times()),
)
def test_later_wall_times_never_come_earlier(zone: str, day: date, walls: tuple[time, time]) -> None:
    earlier, later = sorted(walls)

    assert moment_of(day, earlier, ZoneInfo(zone)) <= moment_of(day, later, ZoneInfo(zone))


TYPOS = [
    ("Europe/Berln", "Europe/Berlin"),
    ("berlin", "Europe/Berlin"),
    ("new york", "America/New_York"),
    ("Asia/Shangai", "Asia/Shanghai"),
    ("xyzzy", "Expected a name such as"),
    ("", "Expected a name such as"),
    ("../../etc/passwd", "Expected a name such as"),
    ("localtime", "Expected a name such as"),
]


@pytest.mark.parametrize(("typo", "hint"), TYPOS)
def test_an_unknown_zone_is_refused_with_what_may_have_been_meant(typo: str, hint: str) -> None:
    with pytest.raises(UnknownZoneError, match=hint):
        zone_named(typo)


def test_every_zone_that_is_known_can_be_read() -> None:
    assert len(zone_names()) > 400
    assert all(zone_named(name).key == name for name in zone_names())
