"""Logs: structured, one line per unit of work, and no secrets in them."""

import io
import json
import logging

import pytest
import structlog

from connector import logs
from connector.errors import AuthenticationError
from tests.clocks import SteppingClock


@pytest.fixture
def lines():
    """The log lines of a test, parsed; the logging of the process is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("auto", "info", stream=stream, clock=SteppingClock())
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_lines_are_json_with_the_daemons_time(lines):
    """Not on a terminal: JSON, below the level: nothing."""
    log = structlog.get_logger("weft")
    log.debug("hidden")
    log.info("started", port=8282, name="锡澄特钢")

    assert lines() == [
        {
            "event": "started",
            "port": 8282,
            "name": "锡澄特钢",
            "level": "info",
            "timestamp": "2026-11-10T01:00:00.000000Z",
        }
    ]


JWT = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "facts",
    [
        {"authorization": "sesame"},
        {"Authorization": "Bearer sesame"},
        {"headers": {"Authorization": "sesame", "Set-Cookie": "sesame"}},
        {"token": "sesame"},
        {"data_token": ["sesame"]},
        {"private_key": "sesame"},
        {"keys": {"a": "sesame"}},
        {"client_secret": "sesame"},
        {"password": 12345},
        {"note": "sent Bearer sesame to them"},
        {"note": f"token {JWT} refused"},
        {"note": "key weft_abcdefghijklmnopqrstuvwxyz"},
        {"note": "-----BEGIN PRIVATE KEY-----\nsesame\n-----END PRIVATE KEY-----"},
        {"body": b"sesame"},
        {"deep": [{"x": ({"token": "sesame"},)}]},
    ],
    ids=str,
)
def test_secrets_never_appear(lines, facts):
    """By their name at any depth, or by their look inside a text."""
    structlog.get_logger().info("happened", **facts)
    text = json.dumps(lines())

    assert not any(secret in text for secret in ("sesame", "12345", "eyJ", "abcdefghij"))


def test_public_names_stay_readable(lines):
    """Key identifiers, the space's public key and counts are no secrets."""
    structlog.get_logger().info("happened", kid="did:web:a#token-1", space_key="ed25519:x", token_lifetime_s=300)

    assert lines()[0]["kid"] == "did:web:a#token-1"
    assert lines()[0]["space_key"] == "ed25519:x"
    assert lines()[0]["token_lifetime_s"] == 300


def test_lines_of_libraries_pass_the_same_way(lines):
    """The log of aiohttp is JSON and masked too, tracebacks included."""
    try:
        int("Bearer sesame")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("failed with %s", "Bearer sesame")

    assert lines()[0]["event"] == "failed with Bearer [hidden]"
    assert "Bearer [hidden]" in lines()[0]["exception"]


def test_one_canonical_line_per_unit_of_work(lines):
    """Facts gathered on the way, the outcome, the duration."""
    with logs.canonical_line(structlog.get_logger(), "message.received", peer="did:web:a") as line:
        line["state"] = "REQUESTED"

    (only,) = lines()
    assert {
        "event": "message.received",
        "peer": "did:web:a",
        "state": "REQUESTED",
        "outcome": "ok",
    }.items() <= only.items()
    assert only["duration_ms"] >= 0


def test_a_refusal_is_the_outcome_with_its_facts(lines):
    """Level from the table, no traceback."""
    error = AuthenticationError("token-not-yet", claim="iat", ahead_s=120)
    with pytest.raises(AuthenticationError), logs.canonical_line(structlog.get_logger(), "message.received"):
        raise error

    (only,) = lines()
    assert (only["outcome"], only["claim"], only["ahead_s"]) == ("token-not-yet", "iat", 120)
    assert (only["level"], "exception" in only) == ("warning", False)


def test_an_unexpected_error_leaves_its_traceback(lines):
    """And goes on."""
    with pytest.raises(ZeroDivisionError), logs.canonical_line(structlog.get_logger(), "message.received"):
        _ = 1 / 0

    assert (lines()[0]["outcome"], lines()[0]["level"]) == ("ZeroDivisionError", "error")
    assert "Traceback" in lines()[0]["exception"]


def test_pretty_is_for_people():
    """Not JSON, still masked."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("pretty", "info", stream=stream)
    structlog.get_logger().info("started", token="sesame")
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()

    assert "started" in stream.getvalue()
    assert "sesame" not in stream.getvalue()
