"""A person's pace against their own days, and the interval of a share."""

from datetime import date

import pytest
from statsmodels.stats.proportion import proportion_confint

from app.domain.pace import MS_PER_HOUR, Day, pace, share

TODAY = date(2026, 11, 21)


def day(number, n, hours=1.0, n_timed=None):
    return Day(date(2026, 11, number), n, n if n_timed is None else n_timed, int(hours * MS_PER_HOUR), 0)


def test_the_pace_counts_active_hours_and_the_usual_one_is_the_median_of_the_days_before():
    found = pace([day(21, 30, 0.5), day(18, 90), day(19, 40), day(20, 200, 2)], TODAY)
    assert (found.today, found.usual, found.n_days) == (60, 90, 3)


def test_too_few_judgements_days_or_measured_times_give_no_pace():
    few = pace([day(21, 9), day(19, 50), day(20, 50), day(18, 40, n_timed=5), day(17, 40, 0)], TODAY)
    assert (few.today, few.usual, few.n_days) == (None, None, 2)
    assert pace([], TODAY).today is None


@pytest.mark.parametrize(("same", "n"), [(0, 10), (10, 10), (7, 12), (1, 1), (150, 200)])
def test_the_interval_is_wilsons(same, n):
    low, high = proportion_confint(same, n, method="wilson")
    found = share(same, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.value == same / n


def test_a_share_of_nothing_has_no_value():
    assert share(0, 0).value is None
