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
from accord_chassis.service.vigil import AGAIN, ALIVE_SECONDS, LOOK_SECONDS
from accord_chassis.telemetry import ALLOWED, configure_logs

ROOT = Path(__file__).parents[2]
ALERTS = yaml.safe_load((ROOT / "deploy/alerts/loki.yaml").read_text("utf-8"))
EVERY: list[dict[str, Any]] = ALERTS["groups"][0]["rules"]
RULES = [each for each in EVERY if not each["expr"].startswith("absent_over_time")]
SILENT = [each for each in EVERY if each not in RULES]

FOR_PRIVACY = {"lookups.odd", "enumeration.suspected"}

EXPRESSION = re.compile(
    r"sum by \(namespace, (?P<by>[a-z_]+(?:, [a-z_]+)*)\) \(count_over_time\("
    r'\{namespace=~"(?P<namespace>[^"]+)"\} \| json'
    r' \| level="(?P<level>[a-z]+)" \| event="(?P<event>[a-z_.]+)"'
    r" \[(?P<minutes>[0-9]+)m\]\)\) > 0"
)

ABSENT = re.compile(
    r'absent_over_time\(\{namespace="(?P<namespace>[a-z-]+)"\} \| json'
    r' \| event="service\.alive" \| service="(?P<service>[a-z]+)"'
    r" \[(?P<minutes>[0-9]+)m\]\) > 0"
)


def read(rule: dict[str, Any]) -> dict[str, str]:
    found = EXPRESSION.fullmatch(rule["expr"])
    assert found, rule["alert"]
    return found.groupdict()


def by(rule: dict[str, Any]) -> list[str]:
    """Give the fields by which an alert tells what it is about, besides its region."""
    return read(rule)["by"].split(", ")


def lines_of(level: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Give what the platform writes at a level: the event, and its fields."""
    for path in (
        *ROOT.glob("libs/*/src/**/*.py"),
        *ROOT.glob("services/*/src/**/*.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=found),
                    args=[ast.Constant(value=str(event))],
                ) if found == level:
                    yield event, frozenset(e.arg or "" for e in node.keywords)


LINES = dict(lines_of("critical"))


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

    assert [found[name] for name in by(rule)] == ["a_code"] * len(by(rule))


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each["alert"])
def test_an_alert_tells_codes_alone_and_what_to_do(rule: dict[str, Any]) -> None:
    wanted = read(rule)
    told = " ".join(rule["annotations"].values())

    assert ALLOWED.issuperset(by(rule))
    shown = set(re.findall(r"\{\{ \$labels\.(\w+) \}\}", told))
    assert shown == {"namespace", *by(rule)}
    assert set(rule["annotations"]) == {"summary", "action"}
    # Odd look-ups are for a privacy officer: whoever runs a region may be who looks.
    to = {"to": "privacy_officer"} if wanted["event"] in FOR_PRIVACY else {}
    assert rule["labels"] == {"severity": "critical", **to}


def namespaces() -> set[str]:
    """Give where the regions are that are deployed from here."""
    overlays = ROOT.glob("deploy/k8s/overlays/*/kustomization.yaml")
    found = (yaml.safe_load(each.read_text("utf-8")) for each in overlays)
    return {each["namespace"] for each in found if "namespace" in each}


def test_that_any_service_of_any_region_says_nothing_raises_an_alert() -> None:
    found = [ABSENT.fullmatch(each["expr"]) for each in SILENT]
    read = {(e["namespace"], e["service"]) for e in found if e}

    services = {each.name for each in (ROOT / "services").iterdir() if each.is_dir()}
    assert len(read) == len(SILENT)
    assert read == {(where, each) for where in namespaces() for each in services}
    # Five lines must be missing, so that one that is late wakes nobody.
    assert {int(e["minutes"]) * 60 for e in found if e} == {5 * ALIVE_SECONDS}


def test_an_alert_of_silence_names_its_service_and_what_to_do() -> None:
    for each in SILENT:
        found = ABSENT.fullmatch(each["expr"])
        assert found
        told = each["annotations"]
        assert set(told) == {"summary", "action"}
        assert "{{ $labels.namespace }}: " + found["service"] in told["summary"]
        service = found["service"]
        assert each["labels"] == {"severity": "critical", "service": service}


def test_no_two_alerts_have_the_same_labels() -> None:
    """Alertmanager takes them for one: of the second nobody would hear."""
    labels = [
        {"alertname": each["alert"], **each["labels"]}
        # What is absent has the labels of the stream's selector and no others.
        | ({"namespace": found["namespace"]} if found else {})
        for each in EVERY
        for found in [ABSENT.fullmatch(each["expr"])]
    ]

    assert len({frozenset(each.items()) for each in labels}) == len(EVERY)


def test_an_alert_says_which_service_wherever_its_line_does() -> None:
    for each in RULES:
        named = LINES[read(each)["event"]]
        assert "service" not in named or "service" in by(each)


def test_what_is_said_again_while_it_is_so_keeps_its_alert_up() -> None:
    longest = AGAIN.total_seconds() + 2 * LOOK_SECONDS

    assert {int(read(each)["minutes"]) * 60 > longest for each in RULES} == {True}


def test_a_service_says_that_it_lives_as_the_alerts_look_for_it() -> None:
    assert dict(lines_of("info"))["service.alive"] == {"service"}


@pytest.mark.parametrize("region", ["canterbury", "waikato"])
def test_every_region_is_heard(region: str) -> None:
    overlay = ROOT / "deploy/k8s/overlays" / region / "kustomization.yaml"
    namespace = yaml.safe_load(overlay.read_text("utf-8"))["namespace"]

    for each in RULES:
        assert re.fullmatch(read(each)["namespace"], namespace)
