"""Logs: one line an event, as JSON or readable, never with a token or a secret in it."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from reconciler.core.base.masking import mask
from reconciler.telemetry import configure_logging

WEBHOOK = "whk_" + "A" * 43
API = "rct_" + "b" * 43
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Other tests log as they did."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"POST /v1/webhooks/{WEBHOOK}", "POST /v1/webhooks/whk_***", id="a webhook's"),
        pytest.param(f"token {API}.", "token rct_***.", id="of the API"),
        pytest.param(f"rct_run_{'c' * 43}", "rct_run_***", id="a run's own"),
        pytest.param(f"lease_{'c' * 43}", "lease_***", id="a lease's"),
        pytest.param("whsec_bm90YXNlY3JldA==", "whsec_***", id="a signing secret"),
        pytest.param(f"Authorization: Bearer {'x' * 9}", "Authorization: Bearer ***", id="bearer"),
        pytest.param(f"got {JWT}!", "got ***!", id="a JWT"),
        pytest.param("postgresql://me:pw@db/x", "postgresql://me:***@db/x", id="a password"),
        pytest.param("https://example.com/whk", "https://example.com/whk", id="nothing secret"),
    ],
)
def test_tokens_are_taken_out_of_texts(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_line_holds_a_secret(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(log_format, "info")
    log = structlog.get_logger("x")
    said_aloud = f"seen {API}"
    log.info(said_aloud, url=WEBHOOK, nested={"a": [API, {"token": "hunter2"}]}, token="hunter2")
    try:
        password = "hunter2"
        raise ValueError(f"{WEBHOOK} is wrong")
    except ValueError:
        log.exception("failed")
    logging.getLogger("uvicorn.error").error("bad %s", API)
    said = capsys.readouterr().err
    assert password not in said
    assert "A" * 20 not in said
    assert "b" * 20 not in said
    assert "ValueError" in said


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    structlog.get_logger("x").info("run started", run="r1")
    logging.getLogger("library").warning("two\nlines")
    structlog.get_logger("x").debug("not shown")
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["event"], first["run"], first["level"]) == ("run started", "r1", "info")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["logger"]) == ("two\nlines", "library")
