"""Metrics: one table of names with help, the text form of Prometheus, figures that are true."""

import re

from connector.management import metrics
from tests.offers import publish

SAMPLE = re.compile(r'^[a-z_]+(\{[a-z_]+="([^"\\\n]|\\.)*"(,[a-z_]+="([^"\\\n]|\\.)*")*\})? -?[0-9.e+]+$')


async def test_the_text_has_help_and_type_and_samples(caller):
    await publish(caller.daemon)
    async with caller.open("GET", "/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = (await answer.text()).splitlines()
    for line in lines:
        if not line.startswith("#"):
            assert SAMPLE.match(line), line
            assert line.split("{")[0].split(" ")[0] in metrics.HELP
    assert 'weft_datasets{state="published"} 1' in lines
    assert "weft_outbox_messages 0" in lines
    assert "weft_members 1" in lines
    commits, functions = (
        float(next(line for line in lines if line.startswith(f"weft_store_{name}_total ")).split()[1])
        for name in ("commits", "transactions")
    )
    assert 0 < commits <= functions


def test_labels_are_escaped():
    text = metrics.render([("weft_members", {"a": 'x"y\\z\n'}, 1)])
    assert text.splitlines()[-1] == 'weft_members{a="x\\"y\\\\z\\n"} 1'


def test_names_follow_the_rules_of_prometheus():
    for name, text in metrics.HELP.items():
        assert re.fullmatch(r"weft_[a-z_]+", name)
        assert text.endswith(".")
        assert name.endswith("_total") is (name not in metrics.GAUGES)
