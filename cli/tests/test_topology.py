"""The topology is applied from the catalogue, and every difference is found."""

from pathlib import Path

import pytest
from accord import topology
from accord.catalogue import catalogue_of
from accord.faults import CannotGoOn
from accord.management import Management
from accord.surroundings import Surroundings
from accord_contracts.catalogue import CATALOGUE
from cli_verbs import Accord

BINDING = "referral.received.v1.urgent"


def found(management: Management, region: Surroundings) -> list[str]:
    return [
        str(each) for each in topology.check(management, CATALOGUE, vhost=region.vhost)
    ]


def test_what_was_applied_is_as_the_catalogue_says(
    management: Management, region: Surroundings
) -> None:
    assert found(management, region) == []


def test_applying_again_changes_nothing(
    management: Management, region: Surroundings
) -> None:
    before = management.rows("bindings", region.vhost)

    differing = topology.apply(
        management, CATALOGUE, vhost=region.vhost, passwords=region.passwords
    )

    assert differing == []
    assert management.rows("bindings", region.vhost) == before


def test_a_removed_binding_is_found_and_put_back(
    management: Management, region: Surroundings
) -> None:
    management.delete(
        "bindings", region.vhost, "e", "accord.events", "q", "risk.urgent", BINDING
    )

    assert found(management, region) == [
        f"missing binding: accord.events to risk.urgent by {BINDING}"
    ]

    topology.apply(management, CATALOGUE, vhost=region.vhost)

    assert found(management, region) == []


def test_what_the_catalogue_does_not_know_is_taken_away(
    management: Management, region: Surroundings
) -> None:
    management.post(
        "bindings", region.vhost, "e", "accord.events", "q", "risk.urgent",
        body={"routing_key": "plan.agreed.v1.urgent", "arguments": {}},
    )  # fmt: skip
    management.put(
        "policies", region.vhost, "mine",
        body={"pattern": "^risk", "definition": {"max-length": 1}, "priority": 9,
              "apply-to": "queues"},
    )  # fmt: skip
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    management.put("permissions", region.vhost, "risk", body=everything)

    assert found(management, region) == [
        "extra binding: accord.events to risk.urgent by plan.agreed.v1.urgent",
        "extra policy: mine",
        "different permissions: risk",
    ]

    topology.apply(
        management, CATALOGUE, vhost=region.vhost, passwords=region.passwords
    )

    assert found(management, region) == []


def test_somebody_elses_queue_is_told_of_and_left_alone(
    management: Management, region: Surroundings
) -> None:
    management.put("queues", region.vhost, "mine", body={"durable": True})
    management.post(
        "bindings", region.vhost, "e", "accord.events", "q", "mine",
        body={"routing_key": "risk.assessed.v1.urgent", "arguments": {}},
    )  # fmt: skip

    topology.apply(management, CATALOGUE, vhost=region.vhost)

    assert found(management, region) == [
        "extra queue: mine",
        "extra binding: accord.events to mine by risk.assessed.v1.urgent",
    ]


def test_a_queue_with_other_arguments_is_refused_with_what_to_do(
    management: Management, region: Surroundings
) -> None:
    management.delete("queues", region.vhost, "risk.urgent")
    management.put("queues", region.vhost, "risk.urgent", body={"durable": True})

    with pytest.raises(CannotGoOn) as refused:
        topology.apply(management, CATALOGUE, vhost=region.vhost)

    assert "risk.urgent exists with other arguments" in refused.value.cause
    assert f"-p {region.vhost} delete_queue risk.urgent" in refused.value.mend


def test_a_service_that_a_locality_adds_gets_its_queues(
    management: Management, region: Surroundings, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.yaml").write_text(
        "listeners:\n  dashboard: [risk.assessed.v1, plan.agreed.v1]\n"
    )
    catalogue = catalogue_of(tmp_path)

    topology.apply(management, catalogue, vhost=region.vhost)

    bound = {
        each["routing_key"]
        for each in management.rows("bindings", region.vhost)
        if each["destination"] == "dashboard.urgent"
        and each["source"] == "accord.events"
    }
    assert bound == {"risk.assessed.v1.urgent", "plan.agreed.v1.urgent"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listeners: {x: [no.such.v1]}", "x cannot listen to no.such.v1"),
        ("listeners: {X: []}", "listeners.X"),
        ("more: 1", "more"),
        ("listeners: [", "is not YAML"),
    ],
)
def test_a_wrong_catalogue_file_is_told_in_a_sentence(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.yaml").write_text(text)

    with pytest.raises(CannotGoOn, match=said):
        catalogue_of(tmp_path)


def test_the_command_checks_and_applies(
    accord: Accord, management: Management, region: Surroundings
) -> None:
    assert accord("topology", "check").returncode == 0
    management.delete(
        "bindings", region.vhost, "e", "accord.events", "q", "risk.urgent", BINDING
    )

    checked = accord("topology", "check")
    applied = accord("topology", "apply")

    assert checked.returncode == 1
    assert BINDING in checked.stdout
    assert applied.stdout.startswith(f"{region.vhost}: 1 differences mended")
    assert accord("topology", "check").returncode == 0


def test_the_command_makes_passwords_and_says_which_are_missing(
    accord: Accord, keeping: Path, tmp_path: Path
) -> None:
    missing = accord("topology", "apply", "--passwords", str(tmp_path / "none"))
    kept = accord("topology", "apply", "--passwords", str(keeping / "passwords"))

    assert missing.returncode == 1
    assert "no password for referrals" in missing.stderr
    assert kept.returncode == 0, kept.stderr


def test_an_unknown_administrator_is_told_without_the_password(
    accord: Accord, region: Surroundings
) -> None:
    url = region.management_url.replace("://", "://nobody:sentinel@", 1)
    wrong = f"http://nobody:sentinel@{url.rpartition('@')[2]}"

    answered = accord("topology", "check", ACCORD_MANAGEMENT_URL=wrong)

    assert answered.returncode == 1
    assert "does not let nobody in" in answered.stderr
    assert "sentinel" not in answered.stdout + answered.stderr
