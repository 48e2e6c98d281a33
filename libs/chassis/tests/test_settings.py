"""Settings from the environment and from secret files, and policies from a locality."""

import traceback
from pathlib import Path

import pytest
from accord_chassis.settings import (
    BadConfiguration,
    ChassisSettings,
    catalogue_of,
    policy_of,
    settings_of,
)
from accord_contracts.catalogue import CATALOGUE
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SECRET = "hunter2"

GOOD = {
    "REGION": "canterbury",
    "LOCALITY": "/localities/canterbury",
    "AMQP_URL": f"amqp://risk:{SECRET}@127.0.0.1/canterbury",
    "STORE_URL": f"mongodb://risk:{SECRET}@127.0.0.1/",
    "JWKS_URL": "https://identity.example/jwks.json",
    "ISSUER": "https://identity.example",
    "AUDIT_KEY": f"{SECRET} and thirty-two characters more",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which everything is set as it should be, and nothing else."""
    for name in ("SECRETS_DIR", *map(str.upper, ChassisSettings.model_fields)):
        monkeypatch.delenv(f"ACCORD_{name}", raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(f"ACCORD_{name}", value)


def test_everything_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCORD_PORT", "8080")

    settings = settings_of(ChassisSettings)

    assert settings.region == "canterbury"
    assert settings.locality == Path("/localities/canterbury")
    assert settings.amqp_url.get_secret_value() == GOOD["AMQP_URL"]
    assert settings.port == 8080
    assert not settings.development


def test_secrets_are_read_from_files_of_the_same_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AMQP_URL", "STORE_URL"):
        monkeypatch.delenv(f"ACCORD_{name}")
        # As editors and `kubectl create secret` leave it: with a line's end.
        (tmp_path / f"ACCORD_{name}").write_text(f"{GOOD[name]}\n")
    monkeypatch.setenv("ACCORD_SECRETS_DIR", str(tmp_path))

    settings = settings_of(ChassisSettings)

    assert settings.amqp_url.get_secret_value() == GOOD["AMQP_URL"]
    assert settings.store_url.get_secret_value() == GOOD["STORE_URL"]


def test_networks_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_TRUSTED_PROXIES", "192.0.2.0/24, 2001:db8::/32,")

    found = settings_of(ChassisSettings).trusted_proxies

    assert [str(each) for each in found] == ["192.0.2.0/24", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUSTED_PROXIES", SECRET),
        ("CLIENT_CERTIFICATE_HEADER", f"{SECRET}: x"),
        ("LONGEST_TOKEN_LIFE", "86400"),
        ("LONGEST_TOKEN_LIFE", "0"),
    ],
)
def test_what_would_weaken_tokens_is_no_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ACCORD_{name}", value)

    with pytest.raises(BadConfiguration, match=f"ACCORD_{name}") as wrong:
        settings_of(ChassisSettings)

    assert SECRET not in str(wrong.value)


def test_no_secret_is_shown() -> None:
    settings = settings_of(ChassisSettings)

    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in shown


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        settings_of(ChassisSettings).port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(f"ACCORD_{name}")

    with pytest.raises(BadConfiguration, match=rf"^Set ACCORD_{name} .* again\.$"):
        settings_of(ChassisSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGION", f"{SECRET}!"),
        ("REGION", ""),
        ("AMQP_URL", f"http://risk:{SECRET}@127.0.0.1/"),
        ("AMQP_URL", SECRET),
        ("STORE_URL", f"postgres://risk:{SECRET}@127.0.0.1/"),
        ("JWKS_URL", f"ftp://{SECRET}/"),
        ("AUDIT_KEY", f"{SECRET} is too short"),
        ("AUDIT_URL", f"postgres://risk:{SECRET}@127.0.0.1/"),
        ("PORT", SECRET),
        ("PORT", "65536"),
        ("DEVELOPMENT", SECRET),
        ("LOG_LEVEL", SECRET),
        ("PREFETCH", "0"),
        ("DRAIN_SECONDS", "61"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ACCORD_{name}", value)

    with pytest.raises(BadConfiguration) as caught:
        settings_of(ChassisSettings)

    told = "".join(traceback.format_exception(caught.value))
    assert f"ACCORD_{name}" in told
    assert SECRET not in told


def test_everything_that_is_wrong_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ACCORD_REGION")
    monkeypatch.setenv("ACCORD_PORT", "none")

    with pytest.raises(BadConfiguration, match=r"ACCORD_REGION.*ACCORD_PORT"):
        settings_of(ChassisSettings)


def test_a_directory_of_secrets_that_is_none_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACCORD_SECRETS_DIR", str(tmp_path / "absent"))

    with pytest.raises(BadConfiguration, match="ACCORD_SECRETS_DIR"):
        settings_of(ChassisSettings)


class Levels(BaseModel):
    """Which weights make which level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    high: int
    extreme: int
    weights: dict[str, int] = Field(default={})

    @model_validator(mode="after")
    def _in_order(self) -> "Levels":
        if self.extreme < self.high:
            raise ValueError("extreme is above high")
        return self


def test_a_policy_is_read_and_checked(tmp_path: Path) -> None:
    (tmp_path / "risk.yaml").write_text("high: 3\nextreme: 5\n")

    assert policy_of(Levels, tmp_path, "risk") == Levels(high=3, extreme=5)


def test_a_policy_may_say_things_by_reference(tmp_path: Path) -> None:
    text = "high: 3\nextreme: 5\nweights: {<<: {threats: 2}, stalking: 3}\n"
    (tmp_path / "risk.yaml").write_text(text)

    assert policy_of(Levels, tmp_path, "risk").weights == {"threats": 2, "stalking": 3}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "risk.yaml: file: "),
        ("high: [", "not YAML"),
        ("high: !!python/object/apply:os.getcwd []", "not YAML"),
        ("high: 3\nextreme: many\n", "extreme: "),
        ("high: 3\nextreme: 5\nextrem: 6\n", "extrem: "),
        ("high: 5\nextreme: 3\n", "extreme is above high"),
        ("high: 3\nextreme: 5\nhigh: 1\n", "high stands there twice"),
        (
            "high: 3\nextreme: 5\nweights: {threats: 1, threats: 9}\n",
            "threats stands there twice",
        ),
    ],
)
def test_a_bad_policy_is_told_in_a_sentence(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "risk.yaml").write_text(text)

    with pytest.raises(BadConfiguration) as caught:
        policy_of(Levels, tmp_path, "risk")

    assert str(tmp_path / "risk.yaml") in str(caught.value)
    assert told in str(caught.value)


def test_a_policy_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="set ACCORD_LOCALITY"):
        policy_of(Levels, tmp_path, "risk")


def test_a_policy_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "risk.yaml").mkdir()

    with pytest.raises(BadConfiguration, match="cannot be read"):
        policy_of(Levels, tmp_path, "risk")


def test_a_localitys_own_services_are_in_its_catalogue(tmp_path: Path) -> None:
    text = "listeners: {dashboard: [case.opened.v1, risk.assessed.v1]}\n"
    (tmp_path / "catalogue.yaml").write_text(text)

    found = catalogue_of(tmp_path)

    assert found.entries["case.opened.v1"].listeners == ("dashboard",)
    assert found.heard_by("risk") == CATALOGUE.heard_by("risk")


@pytest.mark.parametrize("text", [None, "", "# Nothing yet.\n", "listeners: {}\n"])
def test_a_locality_that_adds_nothing_has_accords_own_catalogue(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "catalogue.yaml").write_text(text)

    assert catalogue_of(tmp_path).entries == CATALOGUE.entries


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("listeners: {dashboard: [case.forgotten.v1]}", "case.forgotten.v1"),
        ("listeners: {notify: [risk.changed.v1]}", "already"),
        ("listeners: {My Board: [risk.changed.v1]}", "listeners.My Board"),
        ("listener: {}", "listener: "),
    ],
)
def test_a_bad_addition_to_the_catalogue_is_told_in_a_sentence(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "catalogue.yaml").write_text(text)

    with pytest.raises(BadConfiguration) as caught:
        catalogue_of(tmp_path)

    assert str(tmp_path / "catalogue.yaml") in str(caught.value)
    assert told in str(caught.value)
