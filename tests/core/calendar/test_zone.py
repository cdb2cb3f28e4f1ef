"""Zones: their names, near misses, and that every clock change of the database is found."""

import zoneinfo
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.calendar.errors import TimezoneError
from reconciler.core.calendar.zone import (
    _changes,
    _zone_info,
    near_timezone,
    timezones,
    zone,
)
from reconciler.core.calendar.zone_names import ABBREVIATIONS, CITIES, WINDOWS
from tests.support.oracle import zone_info
from tests.support.tzif import distinct_zones, listed_changes, zone_bytes

_DISTINCT = distinct_zones(timezones())
_YEAR = 31_556_952


@pytest.mark.parametrize(
    "name",
    ["UTC", "Europe/Rome", "America/Argentina/Buenos_Aires", "Etc/GMT-14", "EST5EDT"],
)
def test_zones_are_known_by_name(name: str) -> None:
    assert name in timezones()
    assert name in timezones()
    assert zone(name).name == name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        pytest.param("localtime", None, id="the machine's own zone"),
        pytest.param("posixrules", None, id="the machine's own rules"),
        pytest.param("Factory", None, id="no zone at all"),
        pytest.param("", None, id="nothing"),
        pytest.param("Mars/Olympus_Mons", None, id="no place on earth"),
        pytest.param("posix/Europe/Rome", "Europe/Rome", id="the folder posix"),
        pytest.param("right/Europe/Rome", "Europe/Rome", id="the folder right"),
        pytest.param("europe/rome", "Europe/Rome", id="another case"),
        pytest.param("utc", "UTC", id="utc"),
        pytest.param("Berlin", "Europe/Berlin", id="a city alone"),
        pytest.param("Europe/Tokyo", "Asia/Tokyo", id="another continent"),
        pytest.param("Europe/Belrin", "Europe/Berlin", id="a slip of the pen"),
        pytest.param("America/New York", "America/New_York", id="a blank"),
        pytest.param(" Europe/Rome ", "Europe/Rome", id="blanks around"),
        pytest.param("CEST", "Europe/Berlin", id="an abbreviation"),
        pytest.param("+02:00", "Etc/GMT-2", id="an offset"),
        pytest.param("UTC-05:00", "Etc/GMT+5", id="an offset to the west"),
        pytest.param("+99:00", None, id="an offset beyond the world"),
        pytest.param("Asia/Beijing", "Asia/Shanghai", id="a city without a zone"),
        pytest.param("Europe/Munich", "Europe/Berlin", id="another city without a zone"),
        pytest.param("san francisco", "America/Los_Angeles", id="a city alone without a zone"),
        pytest.param("W. Europe Standard Time", "Europe/Berlin", id="Windows' name"),
        pytest.param("Pacific  standard time", "America/Los_Angeles", id="Windows' name, sloppily"),
        pytest.param("../../etc/passwd", None, id="a way out of the database"),
        pytest.param("Europe/Rome\x00", "Europe/Rome", id="a zero byte"),
    ],
)
def test_other_names_are_refused_with_the_near_miss(name: str, near: str | None) -> None:
    assert name not in timezones()
    assert near_timezone(name) == near
    with pytest.raises(TimezoneError, match="unknown time zone") as refusal:
        zone(name)
    assert refusal.value.hint == (f"did you mean '{near}'?" if near else None)
    assert refusal.value.code == "timezone-unknown"


def test_every_other_name_leads_to_a_zone() -> None:
    for names in (WINDOWS, CITIES, ABBREVIATIONS):
        for name, meant in names.items():
            assert meant in timezones()
            assert near_timezone(name) == meant or name in timezones()


@given(st.text(max_size=400))
@settings(deadline=None)
@example("A" * 100_000)
def test_any_name_is_a_zone_or_a_refusal(name: str) -> None:
    near = near_timezone(name)
    assert near is None or near in timezones()


def found_changes(name: str, start: int, end: int) -> list[tuple[int, int, int]]:
    """The changes between two instants, by walking the segments."""
    segment, found = zone(name).segment(start), []
    while segment.end <= end:
        following = zone(name).segment(segment.end)
        assert following.start == segment.end
        if following.offset != segment.offset:
            found.append((segment.end, segment.offset, following.offset))
        segment = following
    return found


def assert_finds_all_listed_changes(name: str) -> None:
    listed = listed_changes(name)
    start, end = (listed[0][0] - 1, listed[-1][0]) if listed else (0, _YEAR)
    assert found_changes(name, start, end) == listed


@pytest.mark.parametrize("name", _DISTINCT[::12])
def test_every_listed_change_is_found(name: str) -> None:
    assert_finds_all_listed_changes(name)


@pytest.mark.soak
@pytest.mark.parametrize("name", _DISTINCT)
def test_every_listed_change_of_all_zones_is_found(name: str) -> None:
    assert_finds_all_listed_changes(name)


def test_no_zone_changes_twice_between_two_looks() -> None:
    # The search looks every two days; what changes faster would be missed.
    shortest = min(
        later[0] - earlier[0]
        for name in _DISTINCT
        for earlier, later in pairwise(listed_changes(name))
    )
    assert shortest > 3 * 86_400


@given(st.sampled_from(_DISTINCT), st.integers(-6_000_000_000, 250_000_000_000))
@settings(deadline=None, max_examples=300)
@example("Europe/Rome", 26_192_246_399)
@example("Europe/Rome", 26_192_246_400)
def test_offsets_are_those_of_zoneinfo_in_any_year(name: str, instant: int) -> None:
    local = datetime.fromtimestamp(instant, zone_info(name))
    segment = zone(name).segment(instant)
    assert segment.start <= instant < segment.end
    offset = local.utcoffset()
    assert offset is not None
    assert segment.offset == offset.total_seconds()


def test_zones_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Vaduz").write_bytes(zone_bytes("Asia/Tokyo"))
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    _zone_info.cache_clear()
    _changes.cache_clear()
    try:
        zoneinfo.reset_tzpath(to=[str(tmp_path)])
        assert summer.astimezone(zoneinfo.ZoneInfo.no_cache("Europe/Vaduz")).hour == 9
        assert zone("Europe/Vaduz").segment(int(summer.timestamp())).offset == 7200
    finally:
        zoneinfo.reset_tzpath()
