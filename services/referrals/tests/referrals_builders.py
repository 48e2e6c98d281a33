"""Referrals, people and policies as tests want them; defaults for all else."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx2
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.inprocess import InProcessBroker
from accord_chassis.service import Service
from accord_chassis.settings import policy_of
from accord_chassis.testing import NOON, KnownStandings, new_id
from accord_contracts.referrals import AgencyKind, PersonRole
from referrals.domain.case import Case
from referrals.domain.household import Household, Member, Occurrence
from referrals.domain.policy import Policy
from referrals.domain.referral import Referral, Sender
from referrals.domain.request import Identity
from referrals.domain.telling import DescribedPerson, Telling
from referrals.domain.weighing import MatchingPolicy
from referrals.review_store import Reviews
from referrals.store import Cases, People, Referrals

LOCALITIES = Path(__file__).parents[3] / "localities"
POLICY = policy_of(Policy, LOCALITIES / "canterbury", "referrals")
RULES = POLICY.recognition
MATCHING = policy_of(MatchingPolicy, LOCALITIES / "canterbury", "matching")

HARMED, USING, CHILD, OTHER = PersonRole

POLICE = Sender(
    issuer="urn:test", subject="desk", agency="police", agency_kind=AgencyKind.POLICE
)

MERE = {
    "role": "person_harmed",
    "given_name": "Mere",
    "family_name": "Tāmihana",
    "date_of_birth": "1991-03-07",
}
JOHN = {
    "role": "person_using_violence",
    "given_name": "John",
    "family_name": "Carter",
    "date_of_birth": "1988-11-30",
}
NAMELESS = {"role": "person_harmed", "given_name": "Unknown"}


SOMEBODY = Identity(issuer="urn:test", subject="somebody", worker=None)


def nhi(code: str) -> dict[str, str]:
    """Give an identifier of the National Health Index."""
    return {"system": "nhi", "value": code}


def body(**fields: Any) -> dict[str, Any]:
    """Give a referral as an agency sends it."""
    told = {
        "people": [MERE, JOHN],
        "incidents": ["verbal_abuse"],
        "occurred_at": "2026-11-02T09:30:00Z",
        "sharing": {"purpose": "fva20_a", "consulted": True},
    }
    return {**told, **fields}


def telling(**fields: Any) -> Telling:
    """Give what an agency tells."""
    return Telling.model_validate(body(**fields))


def person(**fields: Any) -> DescribedPerson:
    """Give a person as an agency describes them."""
    return DescribedPerson.model_validate({**MERE, **fields})


def referral(
    *people: dict[str, Any], at: datetime = NOON, key: str | None = None, **fields: Any
) -> Referral:
    """Give a referral that was just posted."""
    told = telling(**({"people": people} if people else {}), **fields)
    return Referral.post(
        told,
        POLICE,
        id=plain_id("referral", key or new_id()),
        fingerprint=told.canonical,
        at=at,
        by=POLICY,
    )


def plain_id(kind: str, name: str) -> str:
    """Derive an id as the vault does, by no key."""
    return str(uuid5(NAMESPACE_URL, f"{kind}/{name}"))


def household(
    *parts: tuple[str, PersonRole], at: datetime = NOON, agency: str = "police"
) -> Household:
    """Give the people of a referral by id."""
    return Household(
        tuple(Member(person_id=person, role=role) for person, role in parts),
        at,
        Occurrence(referral_id=new_id(), agency=agency, occurred_at=at),
    )


def case(*households: Household, **fields: Any) -> Case:
    """Give a case that these were referred to."""
    made = Case(id=new_id(), opened_at=NOON)
    for each in households:
        made, _ = made.join(new_id(), each, ())
    return made.model_copy(update=fields)


@dataclass(frozen=True)
class Running:
    """The service while it lives, and how an agency speaks to it."""

    service: Service
    http: httpx2.AsyncClient
    issuer: DevelopmentIssuer
    broker: InProcessBroker
    standings: KnownStandings

    @property
    def referrals(self) -> Referrals:
        return self.service.store(Referrals)

    @property
    def people(self) -> People:
        return self.service.store(People)

    @property
    def cases(self) -> Cases:
        return self.service.store(Cases)

    @property
    def reviews(self) -> Reviews:
        return self.service.store(Reviews)

    def bearer(
        self, *scopes: str, agency: str = "police", subject: str = "", **claims: Any
    ) -> dict[str, str]:
        claims = {"agency": agency, **claims}
        chosen = {name: value for name, value in claims.items() if value}
        token = self.issuer.token(
            subject or f"desk of {agency}",
            *(scopes or ("referrals.submit", "referrals.read")),
            region="test",
            audience="accord",
            lifetime=60.0,
            **chosen,
        )
        return {"Authorization": f"Bearer {token}"}

    async def register(self, code: str, **told: Any) -> httpx2.Response:
        return await self.administer("PUT", f"/{code}", {"kind": "police", **told})

    async def administer(
        self, method: str, path: str, told: dict[str, Any] | None = None
    ) -> httpx2.Response:
        headers = self.bearer("referrals.admin", agency="")
        return await self.http.request(
            method, f"/v1/agencies{path}", headers=headers, json=told
        )

    async def submit(
        self, body: dict[str, Any], *, key: str | None = None, agency: str = "police"
    ) -> httpx2.Response:
        headers = self.bearer(agency=agency)
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.post("/v1/referrals", headers=headers, json=body)

    async def amend(
        self,
        referral_id: str,
        changes: dict[str, Any],
        *,
        key: str = "a",
        seen: int | None = 0,
        agency: str = "police",
    ) -> httpx2.Response:
        headers = {**self.bearer(agency=agency), "Idempotency-Key": key}
        if seen is not None:
            headers["If-Match"] = f'"{seen}"'
        path = f"/v1/referrals/{referral_id}/amendments"
        return await self.http.post(path, headers=headers, json=changes)

    async def withdraw(
        self,
        referral_id: str,
        reason: str = "wrong_person",
        *,
        key: str = "w",
        agency: str = "police",
    ) -> httpx2.Response:
        headers = {**self.bearer(agency=agency), "Idempotency-Key": key}
        path = f"/v1/referrals/{referral_id}/withdrawal"
        return await self.http.post(path, headers=headers, json={"reason": reason})

    async def submit_lines(self, lines: bytes) -> httpx2.Response:
        headers = {**self.bearer(), "Content-Type": "application/x-ndjson"}
        return await self.http.post(
            "/v1/referrals/batch", headers=headers, content=lines
        )

    async def status(
        self, referral_id: str, *, agency: str = "police"
    ) -> httpx2.Response:
        return await self.http.get(
            f"/v1/referrals/{referral_id}", headers=self.bearer(agency=agency)
        )
