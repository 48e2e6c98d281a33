"""Weighing a case that stands in a file. Nothing of it is stored or sent."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from accord_chassis.settings import policy_of
from accord_contracts.message import Code
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import Tier
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from risk.domain.explaining import explain
from risk.domain.form import Form
from risk.domain.policy import Policy
from risk.domain.weighing import Known, Weighing
from risk.schemas import schemas

from accord.faults import CannotGoOn


def _as_written(given: object) -> object:
    """Read what YAML takes for true and false as the yes and no that were written."""
    return (
        {True: "yes", False: "no"}.get(given, given)
        if given in (True, False)
        else given
    )


Written = Annotated[Answer, BeforeValidator(_as_written)]


class WrittenForm(Form):
    """A form as a file has it."""

    answers: Annotated[dict[Code, Written], Field(default_factory=dict)]


class Case(BaseModel):
    """What a file tells of a case.

    Attributes:
        answers: To the locality's questions.
        incidents: What happened.
        repeats: How often the same two were referred again within twelve months.
        near: The kinds of dates that are near.
        incidents_in_12_months: How many there were.
        instruments: What was filled in, by instrument.
    """

    model_config = ConfigDict(extra="forbid")

    answers: dict[Code, Written] = {}
    incidents: frozenset[IncidentKind] = frozenset()
    repeats: Annotated[int, Field(ge=0, le=1000)] = 0
    near: frozenset[TriggerKind] = frozenset()
    incidents_in_12_months: Annotated[int, Field(ge=0, le=1000)] = 0
    instruments: dict[Code, WrittenForm] = {}


class Report(BaseModel):
    """What was found."""

    policy_version: str
    weighing: Weighing
    tier: Tier | None
    explanation: tuple[str, ...]


def weigh_file(file: Path, locality: Path) -> Report:
    """Weigh the case in a file by a locality's policy.

    Raises:
        CannotGoOn: The file cannot be read, or asks what the policy does not know.
        BadConfiguration: The policy is missing or wrong.
    """
    policy = policy_of(Policy, locality, "risk")
    case = _case(file)
    strange = [
        *(f"answers.{key}" for key in case.answers if key not in policy.questions),
        *(f"instruments.{at}" for at in policy.strange(case.instruments)),
    ]
    if strange:
        raise CannotGoOn(
            f"The policy of {locality.name} does not know {', '.join(strange)}.",
            mend=f"Its questions are {', '.join(policy.questions)}; "
            f"its instruments are {', '.join(policy.used)}.",
        )
    if misfilled := policy.misfilled(case.instruments):
        raise CannotGoOn(
            f"Not answered as {locality.name} asks: {', '.join(misfilled)}.",
            mend="Tell yes or no in answers, what is counted or graded in numbers, and "
            "a total only of an instrument that has one.",
        )
    known = Known(
        case.answers,
        case.incidents,
        case.repeats,
        case.near,
        case.instruments,
        case.incidents_in_12_months,
    )
    found = policy.weigh(known)
    tier = policy.tier(found.level, found.reasons)
    return Report(
        policy_version=policy.version,
        weighing=found,
        tier=tier,
        explanation=explain(found, tier, policy),
    )


def write_schemas(directory: Path) -> list[Path]:
    """Write what an instrument, and a locality's policy, may hold, as JSON Schemas."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in schemas().items():
        (directory / name).write_text(text, encoding="utf-8")
        written.append(directory / name)
    return written


def _case(file: Path) -> Case:
    try:
        found: Any = yaml.safe_load(file.read_bytes())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as wrong:
        # The text of some of these quotes the file.
        raise CannotGoOn(
            f"{file} cannot be read ({type(wrong).__name__}).",
            mend="It has to be JSON or YAML.",
        ) from None
    try:
        return Case.model_validate(found or {})
    except ValidationError as wrong:
        places = (
            ".".join(map(str, each["loc"])) or "the whole file"
            for each in wrong.errors(include_url=False, include_input=False)
        )
        raise CannotGoOn(
            f"{file} is wrong at {'; '.join(dict.fromkeys(places))}.",
            mend="It holds answers, incidents, repeats, near and instruments.",
        ) from None
