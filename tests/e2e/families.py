"""Random families, of whom everything that identifies or locates is a sentinel."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

from accord_contracts.referrals import PersonRole, TriggerKind
from app import Region
from people import Told
from referrals.domain.telling import Channel, Gender, Purpose, Safety
from sentinels import Sentinels

MOST = 6
"""People in a family."""

OTHERS = [role.value for role in PersonRole]


def family(
    region: Region, sentinels: Sentinels, *, reference: str, grave: bool
) -> Told:
    """Make a referral of two to six people: who, how many and of what, is drawn.

    Args:
        region: Where it is posted.
        sentinels: Makes what nobody may find.
        reference: The agency's own.
        grave: It must be held to be of high risk.
    """
    random = sentinels.random
    roles = ["person_harmed", "person_using_violence"]
    roles += random.choices(OTHERS, k=random.randint(0, MOST - len(roles)))
    random.shuffle(roles)
    told = region.grave_referral() if grave else region.referral()
    return {
        **told,
        "people": [person(role, sentinels) for role in roles],
        "place": {"area": "linwood", "address": sentinels.text("address")},
        "narrative": narrative(sentinels),
        "reference": reference,
        "triggers": [ahead(region, len(roles), random)],
        "sharing": {
            "purpose": random.choice([*Purpose]).value,
            "consulted": False,
            "why_not_safe": sentinels.text("why asking was not safe"),
        },
    }


def ahead(region: Region, people: int, random: Random) -> Told:
    """Make a date that is known ahead, and not so near that it weighs already."""
    at = region.clock.now() + timedelta(days=random.randint(40, 300))
    return {
        "kind": random.choice([*TriggerKind]).value,
        "at": at.isoformat(),
        "about": [random.randrange(people)],
        "reference": "release_list",
    }


def told_again(told: Told, sentinels: Sentinels, *, reference: str) -> Told:
    """Have another agency tell of a family: by other names, from another address.

    The National Health Index numbers are the same, so that it is known again.
    """
    again = [
        {
            **person(each["role"], sentinels),
            "given_name": sentinels.name(f"alias of {each['role']}"),
            "identifiers": each["identifiers"][:1],
        }
        for each in told["people"]
    ]
    return {
        **told,
        "people": again,
        "place": {"address": sentinels.text("other address")},
        "narrative": narrative(sentinels),
        "reference": reference,
    }


def person(role: str, sentinels: Sentinels) -> Told:
    """Make a person, of whom everything is told that can be."""
    return {
        "role": role,
        "given_name": sentinels.name(f"{role}'s given name"),
        "family_name": sentinels.name(f"{role}'s family name"),
        "date_of_birth": sentinels.birthday(f"{role}'s date of birth"),
        "gender": sentinels.random.choice([*Gender]).value,
        "identifiers": [
            {
                "system": "police_person_record",
                "value": f"1/{sentinels.word(f'{role} record')}",
            },
            {
                "system": sentinels.word("name of a register"),
                "value": f"1/{sentinels.word('number in a register')}",
            },
        ],
        "contact_points": [
            contact_point(channel.value, sentinels)
            for channel in sentinels.random.sample([*Channel], k=3)
        ],
    }


def contact_point(channel: str, sentinels: Sentinels) -> Told:
    """Make a way to reach somebody, and what makes it safe."""
    make = {
        Channel.PHONE: sentinels.phone,
        Channel.TEXT: sentinels.phone,
        Channel.EMAIL: sentinels.email,
    }
    return {
        "channel": channel,
        "value": make.get(Channel(channel), sentinels.text)(channel),
        "safety": sentinels.random.choice([*Safety]).value,
        "read_by": sentinels.text("who else reads it"),
        "hours": sentinels.text("when they can be reached"),
        "code_word": sentinels.name("code word"),
        "duress_word": sentinels.name("duress word"),
        "leave_message": sentinels.random.random() < 1 / 2,
        "say_who": sentinels.random.random() < 1 / 2,
    }


def narrative(sentinels: Sentinels) -> str:
    """Make a text of one to twenty paragraphs."""
    count = sentinels.random.randint(1, 20)
    return "\n\n".join(sentinels.text("narrative") for _ in range(count))


def leaves(told: Any, path: str = "told") -> Iterator[tuple[str, str]]:
    """Give every value that is told, with its field as the inventory names it."""
    if isinstance(told, dict):
        for name, each in told.items():
            yield from leaves(each, f"{path}.{name}")
    elif isinstance(told, list):
        for each in told:
            yield from leaves(each, path)
    else:
        yield path, str(told)
