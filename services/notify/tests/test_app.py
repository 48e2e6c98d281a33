"""How the service starts, or says in a sentence why it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord_chassis.service import StandIns
from accord_chassis.settings import BadConfiguration, settings_of
from accord_chassis.testing import AUDIT_KEY
from accord_contracts.catalogue import CATALOGUE
from notify.app import create_app
from notify.settings import Settings
from notify_builders import LOCALITIES, MAIL_FROM
from pydantic import SecretStr

Break = Callable[[dict[str, Any]], object]


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """Settings that are never connected with."""
    return Settings(
        region="test",
        locality=LOCALITIES / "canterbury",
        amqp_url=SecretStr("amqp://nobody@127.0.0.1:1"),
        store_url=SecretStr("mongodb://127.0.0.1:1"),
        audit_key=SecretStr(AUDIT_KEY),
        jwks_url=(tmp_path / "jwks.json").as_uri(),
        issuer="https://identity.example",
        allocation_url="http://allocation:8000",
        referrals_url="http://referrals:8000",
        service_token=SecretStr("token"),
        link_base="https://portal.example",
        smtp_url=SecretStr("smtps://mail.example"),
        mail_from=MAIL_FROM,
    )


def add_a_name(policy: dict[str, Any]) -> None:
    policy["templates"]["offer"]["en"]["text"] += " {name}"


def forget_a_type(policy: dict[str, Any]) -> None:
    del policy["rules"]["plan.drafted.v1"]


def know_a_type_too_many(policy: dict[str, Any]) -> None:
    policy["rules"]["plan.agreed.v1"] = policy["rules"]["plan.drafted.v1"]


def forget_a_language(policy: dict[str, Any]) -> None:
    del policy["templates"]["offer"]["mi"]


def end_in_silence(policy: dict[str, Any]) -> None:
    del policy["chains"]["urgent"][-2:]


def silence_alarms(policy: dict[str, Any]) -> None:
    policy["quiet"]["passes"] = ["high"]


def forget_how_many(policy: dict[str, Any]) -> None:
    policy["several"]["en"]["text"] = "{reference} {link}"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (silence_alarms, "quiet: "),
        (forget_how_many, "several.en: "),
        (add_a_name, "templates.offer.en.text: "),
        (forget_a_type, "there is no rule for plan.drafted.v1."),
        (know_a_type_too_many, "nothing is heard of plan.agreed.v1."),
        (forget_a_language, "offer is not written in mi."),
        (end_in_silence, "urgent must end with the coordinator or with hub_duty."),
    ],
)
def test_a_bad_policy_stops_the_start_with_one_sentence(
    bare: Settings, tmp_path: Path, break_it: Break, said: str
) -> None:
    text = (LOCALITIES / "canterbury" / "notify.yaml").read_bytes()
    policy = yaml.safe_load(text)
    break_it(policy)
    (tmp_path / "notify.yaml").write_text(yaml.safe_dump(policy))

    with pytest.raises(BadConfiguration) as stopped:
        create_app(bare.model_copy(update={"locality": tmp_path}))

    sentence = str(stopped.value)
    assert sentence.startswith("Correct ")
    assert said in sentence
    assert "\n" not in sentence


def test_a_missing_policy_stops_the_start(bare: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"There is no notify\.yaml"):
        create_app(bare.model_copy(update={"locality": tmp_path}))


def test_a_locality_that_has_more_told_must_say_to_whom(bare: Settings) -> None:
    more = CATALOGUE.with_listeners({"notify": ["allocation.ended.v1"]})

    with pytest.raises(BadConfiguration, match=r"no rule for allocation\.ended\.v1"):
        create_app(bare, StandIns(catalogue=more))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"service_token": None}, "Set ACCORD_SERVICE_TOKEN_FILE"),
        ({"service_token": SecretStr("")}, "Set ACCORD_SERVICE_TOKEN_FILE"),
        (
            {"service_token": None, "service_token_file": Path("nowhere")},
            "Set ACCORD_SERVICE_TOKEN_FILE",
        ),
        ({"smtp_url": SecretStr("http://secret@mail.example")}, "Correct ACCORD_SMTP"),
        ({"smtp_url": SecretStr("smtp://secret@mail.example")}, "others can read it"),
        (
            {"smtp_url": SecretStr("smtps://secret@mail.example"), "mail_from": ""},
            "Set ACCORD_MAIL_FROM",
        ),
        (
            {
                "smtp_url": SecretStr("smtps://secret@mail.example"),
                "mail_from": "Accord <accord@accord.example>",
            },
            "Set ACCORD_MAIL_FROM",
        ),
        ({"smtp_url": None}, "what is critical would stand in an inbox, and ring"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_sentence(
    bare: Settings, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadConfiguration) as stopped:
        create_app(bare.model_copy(update=changed))

    assert said in str(stopped.value)
    assert "secret" not in str(stopped.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"smtp_url": SecretStr(""), "development": True},
        {"smtp_url": None, "sms_secret": SecretStr("s")},
        {"smtp_url": SecretStr("smtp://127.0.0.1:1025"), "mail_from": MAIL_FROM},
        {"smtp_url": SecretStr("smtps://mail.example"), "mail_from": MAIL_FROM},
        {
            "smtp_url": SecretStr("smtp://mail:1025"),
            "mail_from": MAIL_FROM,
            "development": True,
        },
        {"locality": LOCALITIES / "waikato"},
    ],
)
def test_a_good_setting_does_not(bare: Settings, changed: dict[str, Any]) -> None:
    assert create_app(bare.model_copy(update=changed)).title == "Accord notify"


def test_every_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_REGION", "test")

    with pytest.raises(BadConfiguration) as stopped:
        settings_of(Settings)

    for name in ("ACCORD_ALLOCATION_URL", "ACCORD_LINK_BASE", "ACCORD_LOCALITY"):
        assert name in str(stopped.value)


def test_of_each_way_that_is_off_it_is_said_once(
    bare: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    create_app(bare.model_copy(update={"smtp_url": None, "development": True}))

    assert capsys.readouterr().out.count("channel.off") == 4
