"""Whatever is kept has a class that says for how long, in every locality."""

from pathlib import Path

import pytest
import yaml
from accord_chassis.retention import NAME, Fate, RetentionClasses, class_of, table
from accord_chassis.settings import policy_of
from pydantic import ValidationError

ROOT = Path(__file__).parents[2]
LOCALITIES = sorted(each.parent for each in ROOT.glob("localities/*/risk.yaml"))


def classes(locality: Path) -> RetentionClasses:
    return policy_of(RetentionClasses, locality, NAME)


@pytest.mark.parametrize("locality", LOCALITIES, ids=lambda each: each.name)
def test_every_collection_has_a_class_and_every_class_a_collection(
    locality: Path,
) -> None:
    # Which another test compares with the stores of all services.
    kept = yaml.safe_load((ROOT / "docs/fields.yaml").read_text("utf-8"))

    assert set(classes(locality).collections) == set(kept)


def test_the_page_says_what_the_first_locality_decides() -> None:
    page = (ROOT / "docs/retention.md").read_text("utf-8")

    assert table(classes(LOCALITIES[0])) in page


@pytest.mark.parametrize("locality", LOCALITIES, ids=lambda each: each.name)
def test_only_what_a_clock_ends_has_days(locality: Path) -> None:
    by_clock = {
        name for name, each in classes(locality).collections.items() if each.days
    }

    assert by_clock == {
        "referrals.requests",
        "referrals.reviews",
        "referrals.trials",
        "allocation.workers",
        "notify.subscriptions",
    }
    with pytest.raises(ValueError, match="says no days"):
        class_of("plans.plans", locality)


def test_what_is_kept_for_good_has_no_days() -> None:
    told = {"days": 1, "since": "ever", "fate": Fate.KEEP, "source": "assumption"}

    with pytest.raises(ValidationError):
        RetentionClasses.model_validate(
            {"version": "x", "collections": {"a.b": told}, "elsewhere": {}}
        )
