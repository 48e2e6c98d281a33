"""What wakes whoever runs a region: an alert for every critical line, and for no other.

The form of the expressions is kept to one that is read here; Loki itself is not run.
"""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from accord_chassis.telemetry import ALLOWED, configure_logs

ROOT = Path(__file__).parents[2]
ALERTS = yaml.safe_load((ROOT / "deploy/alerts/loki.yaml").read_text("utf-8"))
RULES: list[dict[str, Any]] = ALERTS["groups"][0]["rules"]

EXPRESSION = re.compile(
    r"sum by \(namespace, (?P<by>[a-z_]+)\) \(count_over_time\("
    r'\{namespace=~"(?P<namespace>[^"]+)"\} \| json'
    r' \| level="(?P<level>[a-z]+)" \| event="(?P<event>[a-z_.]+)" \[10m\]\)\) > 0'
)


def read(rule: dict[str, Any]) -> dict[str, str]:
    found = EXPRESSION.fullmatch(rule["expr"])
    assert found, rule["alert"]
    return found.groupdict()


def critical_lines() -> Iterator[tuple[str, frozenset[str]]]:
    """Give what the platform writes as critical: the event, and its fields."""
    for path in (
        *ROOT.glob("libs/*/src/**/*.py"),
        *ROOT.glob("services/*/src/**/*.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="critical"),
                    args=[ast.Constant(value=str(event))],
                ):
                    yield event, frozenset(e.arg or "" for e in node.keywords)


LINES = dict(critical_lines())


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What services write, as they write it."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logs(stream=stream)
    yield stream
    structlog.configure(**before)
    logging.captureWarnings(capture=False)
    root.handlers = handlers
    root.setLevel(level)


def test_every_critical_line_raises_an_alert_and_each_alert_has_its_line() -> None:
    assert "channel.silent" in LINES
    assert sorted(read(each)["event"] for each in RULES) == sorted(LINES)


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each["alert"])
def test_an_alert_finds_its_line_and_no_other(
    rule: dict[str, Any], written: io.StringIO
) -> None:
    wanted = read(rule)
    log = structlog.get_logger()
    for event, fields in LINES.items():
        log.critical(event, **dict.fromkeys(fields, "a_code"))
    log.warning(wanted["event"])
    log.warning("channel.heard_again", type="sms")

    lines = map(json.loads, written.getvalue().splitlines())
    same = ("level", "event")
    [found] = [e for e in lines if all(e[name] == wanted[name] for name in same)]

    assert found[wanted["by"]] == "a_code"


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each["alert"])
def test_an_alert_tells_codes_alone_and_what_to_do(rule: dict[str, Any]) -> None:
    wanted = read(rule)
    told = " ".join(rule["annotations"].values())

    assert wanted["by"] in ALLOWED
    shown = set(re.findall(r"\{\{ \$labels\.(\w+) \}\}", told))
    assert shown == {"namespace", wanted["by"]}
    assert set(rule["annotations"]) == {"summary", "action"}
    assert rule["labels"] == {"severity": "critical"}


@pytest.mark.parametrize("region", ["canterbury", "waikato"])
def test_every_region_is_heard(region: str) -> None:
    overlay = ROOT / "deploy/k8s/overlays" / region / "kustomization.yaml"
    namespace = yaml.safe_load(overlay.read_text("utf-8"))["namespace"]

    for each in RULES:
        assert re.fullmatch(read(each)["namespace"], namespace)
