"""Printing: identifiers short while they are unique, Chinese aligned, control characters harmless, times with offset."""

import io
import json
import os
import time

import pytest

from connector.cli.exits import UsageError
from connector.cli.ids import bare, complete, shortener, whole
from connector.cli.shell import Column, Shell
from connector.cli.tables import table
from connector.cli.words import pad, width

ONE = "urn:uuid:5f0c2f0e-6f5b-4a57-9a0e-0d5a8f1e0a04"
OTHER = "urn:uuid:5f0c2f0e-6f5b-4a57-9a0e-0d5a8f1e0b05"


async def listed(*items):
    for item in items:
        yield item


def test_identifiers_are_as_long_as_they_must_be():
    assert shortener({ONE})(ONE) == "5f0c2f0e"
    short = shortener({ONE, OTHER})
    assert (short(ONE), short(OTHER)) == (bare(ONE)[:34], bare(OTHER)[:34])
    assert short("coil_quality") == "coil_quality"


async def test_a_beginning_stands_for_the_only_one_that_begins_so():
    assert await complete("5f0c2f0e", listed(ONE), str, "en") == ONE
    assert await complete(ONE, listed(), str, "en") == ONE
    with pytest.raises(UsageError, match="may mean several"):
        await complete("5f0c", listed(ONE, OTHER), str, "en")
    with pytest.raises(UsageError, match="没有以 ffff 开头"):
        await complete("ffff", listed(ONE), str, "zh")


def test_a_whole_identifier_is_known_by_its_form():
    assert whole(ONE)
    assert whole("sha-256:" + "a" * 64)
    assert not whole("5f0c2f0e")


def test_chinese_takes_two_columns():
    assert width("钢卷a") == 5
    assert pad("钢卷", 6) == "钢卷  "


def test_what_a_partner_wrote_does_not_drive_the_terminal(capsys):
    table([("title", False)], [["\x1b[2Jhi\nthere [red]x[/red]"]])
    assert "\x1b" not in (shown := capsys.readouterr().out)
    assert " [2Jhi there [red]x[/red]" in shown


def test_a_pipe_gets_one_line_per_row_however_long(capsys):
    table([("a", False), ("b", True)], [["x" * 500, 1]])
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can be set on POSIX only")
def test_times_are_local_with_their_offset_or_utc(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        stamp = "2026-11-10T01:00:00.123456Z"
        assert Shell("en", tmp_path).time(stamp) == "2026-11-10 09:00:00 +08:00"
        assert Shell("en", tmp_path, utc=True).time(stamp) == "2026-11-10 01:00:00Z"
        assert Shell("en", tmp_path).time(None) == ""
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "TZ" not in os.environ


def test_a_list_is_a_table_or_json_or_lines(tmp_path, capsys):
    items, columns = [{"id": "a"}, {"id": "b"}], [Column("id", lambda row: row["id"])]
    Shell("zh", tmp_path).list_(items, columns)
    assert capsys.readouterr().out.splitlines() == ["标识", "a", "b"]
    Shell("en", tmp_path, json=True).list_(items, columns, next_="x")
    assert json.loads(capsys.readouterr().out) == {"items": items, "next": "x"}
    Shell("en", tmp_path, jsonl=True).list_(items, columns)
    assert [json.loads(each) for each in capsys.readouterr().out.splitlines()] == items
    Shell("en", tmp_path).list_([], columns)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "There is nothing to show.\n")


def test_a_destructive_verb_asks_and_without_a_terminal_needs_yes(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y"))
    shell = Shell("en", tmp_path)
    shell.confirm("ask.withdraw", yes=True, id="coil")
    with pytest.raises(UsageError, match=r"Withdraw coil\?.*--yes"):
        shell.confirm("ask.withdraw", yes=False, id="coil")
