"""The doctor sees a certificate's end before the platform does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from accord.certificates import certificates
from accord.deployment import Deployment
from accord.findings import Finding, Verdict
from chassis_certificates import Authority
from cli_verbs import run_in

DAY = timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def found_of(now: datetime | None = None, **files: Path) -> dict[str, Finding]:
    at = now or datetime.now(UTC)
    return {each.what: each for each in certificates(Deployment(**files), at)}


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [(15 * DAY, Verdict.OK), (13 * DAY, Verdict.WARN), (-DAY / 24, Verdict.FAIL)],
)
def test_a_certificate_warns_before_its_end_and_fails_after(
    authority: Authority, ends: timedelta, verdict: Verdict
) -> None:
    file = authority.certificate("service.pem", ends=ends)

    found = found_of(client_cert_file=file, server_cert_file=file)

    assert {name: each.verdict for name, each in found.items()} == {
        "certificate client": verdict,
        "certificate server": verdict,
    }


def test_the_first_to_end_of_a_chain_counts(authority: Authority) -> None:
    chain = authority.certificate("service.pem", ends=90 * DAY)
    # The authority itself is good for a day.
    chain.write_bytes(chain.read_bytes() + authority.ca_file.read_bytes())

    found = found_of(datetime.now(UTC) + 2 * DAY, server_cert_file=chain)

    assert found["certificate server"].verdict is Verdict.FAIL


def test_an_authority_on_its_way_out_warns_and_the_last_one_fails(
    authority: Authority, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    next_one = authority.certificate("next.pem", ends=365 * DAY)
    both.write_bytes(authority.ca_file.read_bytes() + next_one.read_bytes())
    later = datetime.now(UTC) + 2 * DAY

    assert found_of(later, ca_file=both)["certificate authority"].verdict is (
        Verdict.WARN
    )
    assert found_of(later, ca_file=authority.ca_file)[
        "certificate authority"
    ].verdict is (Verdict.FAIL)


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_a_file_that_holds_none_fails(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "client.pem"
    if content:
        file.write_text(content)

    found = found_of(client_cert_file=file)["certificate client"]

    assert found.verdict is Verdict.FAIL
    assert str(file) in found.told


def test_the_command_tells_of_what_the_environment_names(
    authority: Authority, tmp_path: Path
) -> None:
    file = authority.certificate("client.pem", ends=3 * DAY)

    answered = run_in(
        tmp_path, "doctor", ACCORD_REGION="test", ACCORD_CLIENT_CERT_FILE=str(file)
    )

    assert "warn  certificate client" in answered.stdout
    assert "PRIVATE" not in answered.stdout
