"""What follows from the settings."""

import re
import socket
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.core.base.errors import UsageError
from reconciler.core.money.budget import Budget as Amounts
from reconciler.core.runs.usage import Price
from reconciler.settings import Settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "http://127.0.0.1:8484", id="the default"),
        pytest.param({"host": "10.0.0.5", "port": 80}, "http://10.0.0.5:80", id="an address"),
        pytest.param({"host": "::1"}, "http://[::1]:8484", id="an address of IPv6"),
        pytest.param(
            {"host": "0.0.0.0"}, f"http://{socket.gethostname()}:8484", id="every address"
        ),
        pytest.param({"host": "::"}, f"http://{socket.gethostname()}:8484", id="every one of IPv6"),
        pytest.param(
            {"host": "0.0.0.0", "public_url": "https://hooks.example.com"},
            "https://hooks.example.com",
            id="a public name",
        ),
    ],
)
def test_what_urls_begin_with(given: dict[str, object], expected: str) -> None:
    assert Settings(**given).base_url() == expected  # type: ignore[arg-type]


def test_prices_and_the_time_zone_come_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.toml"
    path.write_text(
        'timezone = "Europe/Rome"\n[prices."claude-*"]\ninput = 3\noutput = 15\ncached = 0.3\n'
    )
    settings = Settings.load(path)
    assert settings.timezone == "Europe/Rome"
    assert settings.price_table == {"claude-*": Price(Decimal(3), Decimal(15), Decimal("0.3"))}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param('timezone = "Berlin"', "did you mean 'Europe/Berlin'?", id="no zone"),
        pytest.param("[prices.opus]\ninput = -1\noutput = 1", "prices.opus.input", id="negative"),
        pytest.param("[prices.opus]\ninput = nan\noutput = 1", "prices.opus.input", id="NaN"),
        pytest.param("[prices.opus]\ninput = 1", "prices.opus.output", id="half a price"),
    ],
)
def test_what_cannot_be_counted_by_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "reconciler.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(why)):
        Settings.load(path)


def test_a_setting_that_is_wrong_is_said_in_our_own_words() -> None:
    with pytest.raises(UsageError, match=r"^setting 'database': a user name or password holds"):
        Settings.load(None, database="postgresql://u:a@b@host/db")


def test_budgets_are_those_of_all_runs_and_of_workspaces(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.toml"
    path.write_text("[budgets]\nperMonth = 500\n[budgets.platform]\nperDay = 20.5\n")
    budgets = Settings.load(path).budgets
    assert [str(budget) for budget in budgets.values()] == ["perMonth 500", "perDay 20.5"]
    assert {scope: budget.amounts for scope, budget in budgets.items()} == {
        "server": Amounts(per_month=500_000_000),
        "workspace/platform": Amounts(per_day=20_500_000),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("[budgets]\nperHour = 1", "perHour", id="another period"),
        pytest.param("[budgets]\nperDay = 0", "is not an amount", id="nothing"),
        pytest.param("[budgets.Platform]\nperDay = 1", "not the name of a workspace", id="name"),
        pytest.param("[budgets.platform]", "at least one of", id="empty"),
    ],
)
def test_budgets_that_say_nothing_are_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "reconciler.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=why):
        Settings.load(path)
