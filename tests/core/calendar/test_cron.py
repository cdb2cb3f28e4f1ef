"""The cron language: what is accepted, what it means, what is refused and in which words."""

import time

import pytest
from hypothesis import example, given, settings

from reconciler.core.calendar.cron import Cron, parse
from reconciler.core.calendar.errors import CronError, CronNeverFires
from tests.support.crons import expressions, texts


@pytest.mark.parametrize(
    ("expr", "canonical"),
    [
        pytest.param("* * * * *", "* * * * *", id="every minute"),
        pytest.param("0 9 * * MON-FRI", "0 9 * * 1-5", id="names in the weekday field"),
        pytest.param("0 9 * * mon-Fri", "0 9 * * 1-5", id="names in any case"),
        pytest.param("0 0 1 jan,JUL *", "0 0 1 */6 *", id="names in the month field"),
        pytest.param("00 09 * * 01", "0 9 * * 1", id="leading zeros"),
        pytest.param("\t0  9 *\t* * \n", "0 9 * * *", id="blanks around and between"),
        pytest.param("*/1 * */1 */1 */1", "* * * * *", id="a step of one is every value"),
        pytest.param("*/15 9-17 * * *", "*/15 9-17 * * *", id="a step and a range"),
        pytest.param("5-35/10 1 * * *", "5-35/10 1 * * *", id="a range with a step"),
        pytest.param("50/4 1 * * *", "50-58/4 1 * * *", id="a/n runs to the maximum"),
        pytest.param("59/15 1 * * *", "59 1 * * *", id="a/n at the maximum is one value"),
        pytest.param("*/60 */24 * * *", "0 */24 * * *", id="steps of a whole field keep the star"),
        pytest.param("5-5 5-5 5-5 5-5 5-5", "5 5 5 5 5", id="5-5 means 5"),
        pytest.param("0 0 * JAN-JAN *", "0 0 * 1 *", id="JAN-JAN means January"),
        pytest.param("0 0 * * 7", "0 0 * * 0", id="7 is Sunday"),
        pytest.param("0 0 * * 0,7", "0 0 * * 0", id="0 and 7 are one day"),
        pytest.param("0 0 * * 0-7", "0 0 * * *", id="0-7 is every weekday"),
        pytest.param("0 0 * * 5-7", "0 0 * * 0,5,6", id="5-7 is Friday to Sunday"),
        pytest.param("0 0 * * FRI-SUN", "0 0 * * 0,5,6", id="FRI-SUN is Friday to Sunday"),
        pytest.param("0 0 * * SUN-TUE", "0 0 * * 0-2", id="SUN-TUE starts with Sunday"),
        pytest.param("0 0 * * SUN-SUN", "0 0 * * 0", id="SUN-SUN is Sunday"),
        pytest.param("0 0 * * 5/2", "0 0 * * */5", id="5/2 reaches 7, which is Sunday"),
        pytest.param("0 0 L * *", "0 0 L * *", id="the last day of the month"),
        pytest.param("0 0 lw * *", "0 0 LW * *", id="the last workday of the month"),
        pytest.param("0 0 1,15,L * *", "0 0 1,15,L * *", id="days and the last one"),
        pytest.param("0 0 * * FRI#2", "0 0 * * 5#2", id="the second Friday"),
        pytest.param("0 0 * * 7#1,5#5", "0 0 * * 0#1,5#5", id="several n-th weekdays"),
        pytest.param("0 0 * * FRIL,0L", "0 0 * * 0L,5L", id="last weekdays"),
        pytest.param("0 0 * * FRI,FRI#2,FRIL", "0 0 * * 5", id="every Friday holds the others"),
        pytest.param("0 0 1 * MON", "0 0 1 * 1", id="either of day and weekday"),
        pytest.param("0 0 1-31 * MON", "0 0 * * *", id="1-31 is restricted, so either"),
        pytest.param("0 0 */2 * MON", "0 0 */2 * 1", id="a starred day: both"),
        pytest.param("0 0 1-31/2 * MON", "0 0 1-31/2 * 1", id="the same days, not starred: either"),
        pytest.param("0 0 * * */2", "0 0 * * */2", id="a starred weekday"),
        pytest.param("0 0 1 * */2", "0 0 1 * */2", id="a starred weekday: both"),
        pytest.param("0 0 */2,L * 1-3", "0 0 */2,L * 1-3", id="a starred day with L: both"),
        pytest.param("0 0 30 2 MON", "0 0 * 2 1", id="30 February adds nothing to Mondays"),
        pytest.param("0-59 * * * *", "* * * * *", id="the same minutes of an interval job"),
        pytest.param("0-59 2 * * *", "0-59 2 * * *", id="the same minutes of a fixed job"),
        pytest.param("*/15,7 2 * * *", "*/15,7 2 * * *", id="starred minutes and one more"),
        pytest.param("5,* 2 * * *", "0-59 2 * * *", id="only a leading star makes an interval job"),
        pytest.param("@hourly", "0 * * * *", id="@hourly"),
        pytest.param("@daily", "0 0 * * *", id="@daily"),
        pytest.param(" @MidNight ", "0 0 * * *", id="macros in any case, trimmed"),
        pytest.param("@weekly", "0 0 * * 0", id="@weekly"),
        pytest.param("@monthly", "0 0 1 * *", id="@monthly"),
        pytest.param("@yearly", "0 0 1 1 *", id="@yearly"),
        pytest.param("@annually", "0 0 1 1 *", id="@annually"),
    ],
)
def test_accepted(expr: str, canonical: str) -> None:
    cron = parse(expr)
    assert cron.canonical == canonical
    assert parse(canonical) == cron


@pytest.mark.parametrize(
    ("expr", "interval"),
    [
        pytest.param("* * * * *", True, id="both starred"),
        pytest.param("*/5 2 * * *", True, id="a starred minute"),
        pytest.param("0 * * * *", True, id="a starred hour"),
        pytest.param("0 */2 * * *", True, id="a stepped hour"),
        pytest.param("@hourly", True, id="@hourly"),
        pytest.param("0-59 0-23 * * *", False, id="all values, no star"),
        pytest.param("0/5 2 * * *", False, id="a/n has no star"),
        pytest.param("30 2 */2 * */2", False, id="stars in day and weekday do not count"),
    ],
)
def test_interval_jobs_are_told_by_a_leading_star(expr: str, interval: bool) -> None:
    assert parse(expr).interval is interval


@pytest.mark.parametrize(
    ("expr", "words", "column"),
    [
        pytest.param("", "found 0 fields, allowed are five", None, id="nothing"),
        pytest.param(" \t\n", "found 0 fields", None, id="blanks"),
        pytest.param("0 9 * *", "found 4 fields", None, id="four fields"),
        pytest.param("0 0 9 * * *", "here it is '0 9 * * *'", 11, id="seconds"),
        pytest.param("0 0 9 ? * MON", "here it is '0 9 * * MON'", 11, id="Quartz"),
        pytest.param("0 0 9 1 1 ? 2026", "write five fields", 11, id="years"),
        pytest.param("1 2 3 4 5 6 7 8", "found 8 fields", 11, id="eight fields"),
        pytest.param("0 9 * * ?", "'?' is Quartz, where 1 is Sunday", 9, id="a question mark"),
        pytest.param("H * * * *", "'H' is Jenkins", 1, id="H"),
        pytest.param("H/15 * * * *", "'H' is Jenkins", 1, id="H with a step"),
        pytest.param("H(0-7) * * * *", "'H' is Jenkins", 1, id="H with a range"),
        pytest.param("R * * * *", "random values are not known", 1, id="R"),
        pytest.param("0~30 * * * *", "random ranges are not known", 1, id="a random range"),
        pytest.param("0 9 15W * *", "LW in the day field is the last one", 5, id="15W"),
        pytest.param("0 9 W * *", "LW in the day field is the last one", 5, id="W alone"),
        pytest.param("0 9 L-3 * *", "of 'L' there are only L and LW", 5, id="L-3"),
        pytest.param("0 9 LW-3 * *", "of 'L' there are only L and LW", 5, id="LW-3"),
        pytest.param("0 9 L/2 * *", "of 'L' there are only L and LW", 5, id="L with a step"),
        pytest.param("0 9 1-L * *", "day field: '1-L' is not known", 5, id="a range to L"),
        pytest.param("0 9 * * L", "of 'L' there are only L and LW", 9, id="L as a weekday"),
        pytest.param("0 9 * * LW", "weekday field: 'LW' is not known", 9, id="LW as a weekday"),
        pytest.param("0 L * * *", "hour field: 'L' is not known", 3, id="L as an hour"),
        pytest.param("0 9 * * 1-5L", "of 'L' there are only L and LW", 9, id="a range with L"),
        pytest.param("0 9 * * 8L", "'8' is out of range, allowed is 0-7", 9, id="8L"),
        pytest.param("0 9 * * FRI#0", "#1 to #5", 9, id="the zeroth Friday"),
        pytest.param("0 9 * * FRI#6", "#1 to #5", 9, id="the sixth Friday"),
        pytest.param("0 9 * * FRI#", "weekday field: 'FRI#' is not known", 9, id="# alone"),
        pytest.param("0 9 FRI#2 * *", "'#' stands in the weekday field only", 5, id="# as a day"),
        pytest.param("0 22-2 * * *", "runs backwards; write 22-23,0-2", 3, id="wrapping hours"),
        pytest.param("0 0 * NOV-FEB *", "write NOV-DEC,JAN-FEB", 7, id="wrapping months"),
        pytest.param("0 0 * * FRI-MON", "write FRI-SUN,MON", 9, id="wrapping weekdays"),
        pytest.param("0 0 * * 5-1", "write 5-7,1", 9, id="wrapping weekday numbers"),
        pytest.param("0 0 * * 5-0", "runs backwards; write 5-7", 9, id="to Sunday as 0"),
        pytest.param("*/0 * * * *", "the step of '*/0' is out of range", 1, id="step 0"),
        pytest.param("0-30/0 * * * *", "step of '0-30/0' is out of range", 1, id="range, step 0"),
        pytest.param("*/90 * * * *", "written `every: 90m`", 1, id="a step beyond the field"),
        pytest.param("* */25 * * *", "allowed is 1-24", 3, id="a step beyond the day"),
        pytest.param("60 * * * *", "'60' is out of range, allowed is 0-59", 1, id="minute 60"),
        pytest.param("0 24 * * *", "the first hour is 0", 3, id="hour 24"),
        pytest.param("0 0 0 * *", "'0' is out of range, allowed is 1-31", 5, id="day 0"),
        pytest.param("0 0 32 * *", "'32' is out of range", 5, id="day 32"),
        pytest.param("0 0 * 13 *", "allowed is 1-12 or JAN to DEC", 7, id="month 13"),
        pytest.param("0 0 * * 8", "allowed is 0-7 or SUN to SAT", 9, id="weekday 8"),
        pytest.param("0 9 * * MOM", "did you mean 'MON'?", 9, id="a slip in a name"),
        pytest.param("0 9 * * MONDAY", "did you mean 'MON'?", 9, id="a name in full"),
        pytest.param("0 9 * APRIL *", "did you mean 'APR'?", 7, id="a month in full"),
        pytest.param("0 9 MON * *", "day field: 'MON' is not known", 5, id="a name as a day"),
        pytest.param("9" * 200 + " * * * *", "is out of range", 1, id="a huge number"),
        pytest.param("*/" + "9" * 200 + " * * * *", "is out of range", 1, id="a huge step"),
        pytest.param("-5 * * * *", "negative numbers are not known", 1, id="a negative number"),
        pytest.param("1,,2 * * * *", "a value is missing in '1,,2'", 3, id="two commas"),
        pytest.param("1, * * * *", "a value is missing in '1,'", 3, id="a comma at the end"),
        pytest.param("1- * * * *", "the end of the range is missing", 1, id="half a range"),
        pytest.param("*/ * * * *", "a number is missing after '/'", 1, id="half a step"),
        pytest.param("/5 * * * *", "a value is missing before '/'", 1, id="a step of nothing"),
        pytest.param("*5 * * * *", "minute field: '*5' is not known", 1, id="a star and a number"),
        pytest.param("*-5 * * * *", "minute field: '*-5' is not known", 1, id="a star in a range"),
        pytest.param("1-2-3 * * * *", "'1-2-3' is not known", 1, id="a range of three"),
        pytest.param("1/2/3 * * * *", "'1/2/3' is not known", 1, id="two steps"),
        pytest.param("1.5 * * * *", "'1.5' is not known", 1, id="a fraction"),
        pytest.param("+5 * * * *", "'+5' is not known", 1, id="a sign"),
        pytest.param("1_0 * * * *", "'1_0' is not known", 1, id="an underscore"),
        pytest.param("\N{ARABIC-INDIC DIGIT THREE} * * * *", "U+0663", 1, id="a foreign digit"),
        pytest.param("\N{SUPERSCRIPT TWO} * * * *", "U+00B2", 1, id="a superscript"),
        pytest.param("0 9 * * 1\N{EN DASH}5", "did you mean '-'?", 10, id="a dash from a chat"),
        pytest.param("0\N{NO-BREAK SPACE}9 * * *", "did you mean ' '?", 2, id="a hard space"),
        pytest.param("0 9 * *\n*", r"found '\n' (U+000A) at column 8", 8, id="a line break"),
        pytest.param("0 9 * * *\x00", r"found '\x00' (U+0000)", 10, id="a zero byte"),
        pytest.param("0 9 * *\x1b[31m *", r"found '\x1b' (U+001B)", 8, id="a terminal escape"),
        pytest.param("TZ=Europe/Rome 0 9 * * *", "`timezone: Europe/Rome`", 1, id="TZ="),
        pytest.param("CRON_TZ=UTC 0 9 * * *", "`timezone: Europe/Rome`", 1, id="CRON_TZ="),
        pytest.param("* " * 128 + "*", "the expression has 257 characters", None, id="too long"),
        pytest.param("@reboot", "'@reboot' is not known, allowed are @hourly", 1, id="@reboot"),
        pytest.param(" @dayly", "did you mean '@daily'?", 2, id="a slip in a macro"),
        pytest.param("@every 5m", "`every: 90m`, without cron", 1, id="@every"),
        pytest.param(
            "@daily * * * *", "is not known, allowed are @hourly", 1, id="a macro and more"
        ),
    ],
)
def test_refused_with_a_way_out(expr: str, words: str, column: int | None) -> None:
    with pytest.raises(CronError) as refusal:
        parse(expr)
    assert words in str(refusal.value)
    assert refusal.value.column == column
    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "expr",
    [
        pytest.param("0 0 30 2 *", id="30 February"),
        pytest.param("0 0 31 4,6,9,11 *", id="the 31st of short months"),
        pytest.param("0 0 30,31 FEB */2", id="both must match, one cannot"),
        pytest.param("0 0 */30 2 FRI#5", id="the first of a month is no fifth Friday"),
        pytest.param("0 0 */28 2 1#4", id="neither the first nor the 29th is a fourth Monday"),
    ],
)
def test_what_never_fires_is_refused(expr: str) -> None:
    with pytest.raises(CronNeverFires, match="never fires"):
        parse(expr)


@pytest.mark.parametrize(
    "expr",
    [
        pytest.param("0 0 29 2 *", id="leap days"),
        pytest.param("0 0 29 2 */7", id="leap days that are Sundays"),
        pytest.param("0 0 * 2 FRI#5", id="a fifth Friday in February, each 28 years"),
        pytest.param("0 0 30 2 MON", id="30 February or Mondays"),
    ],
)
def test_what_rarely_fires_is_accepted(expr: str) -> None:
    assert isinstance(parse(expr), Cron)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("0 0 * * 1-5", "0 0 * * MON,TUE,WED,THU,FRI", id="ranges and lists"),
        pytest.param("@daily", "0 0 */1 1-12 *", id="a macro and its fields"),
        pytest.param("*/30 * * * *", "0,30 * * * *", id="a step and its values"),
        pytest.param("0 0 L * 0-6", "@daily", id="either of the last day and every weekday"),
    ],
)
def test_equal_schedules_are_equal(left: str, right: str) -> None:
    assert parse(left) == parse(right)
    assert parse(left).canonical == parse(right).canonical


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("*/30 2 * * *", "0,30 2 * * *", id="interval and fixed"),
        pytest.param("0 0 */2 * 1", "0 0 1/2 * 1", id="both and either"),
    ],
)
def test_stars_that_carry_meaning_are_kept(left: str, right: str) -> None:
    assert parse(left) != parse(right)
    assert parse(left).canonical != parse(right).canonical


@given(expressions)
@settings(deadline=None)
@example("*/7,3 2 */5,L * 1-3,5#2")
@example("1,2 */9,5 2-9,L 2 */3,FRI#5")
def test_the_canonical_text_means_the_same_and_is_its_own_canonical_text(expr: str) -> None:
    try:
        cron = parse(expr)
    except CronNeverFires:
        return
    again = parse(cron.canonical)
    assert again == cron
    assert again.canonical == cron.canonical


@given(texts)
@settings(max_examples=500, deadline=None)
@example("," * 256)
@example("@" * 256)
@example("*/" * 128)
@example("0-59/1," * 36 + "0")
@example("L" * 250 + " * * * *")
@example("5#5" + ",5#5" * 60 + " * * * *")
def test_any_text_is_a_schedule_or_a_cron_error_and_takes_no_time(text: str) -> None:
    start = time.process_time()
    assert outcome_of(text).isprintable()
    assert time.process_time() - start < 2


def outcome_of(text: str) -> str:
    """What the parser has to say; an exception other than CronError is the failure looked for."""
    try:
        return parse(text).canonical
    except CronError as refusal:
        return str(refusal)
