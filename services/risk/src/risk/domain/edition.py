"""The policies that results were weighed by, each kept whole. Pure."""

import hashlib
from datetime import datetime
from typing import Self
from uuid import UUID, uuid5

from accord_contracts.message import PolicyVersion
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from risk.domain.policy import Policy

EDITIONS = UUID("4f0a6f0e-5d0b-4c57-9a43-0c2f6d9f3a51")
"""Names of editions are their fingerprints."""


class NoSuchPolicy(Refusal):
    """Nothing was weighed here by a policy of this fingerprint."""

    status = 404


class Edition(BaseModel):
    """A policy as it was: whoever changes one character makes another.

    Attributes:
        id: Derived from the fingerprint.
        fingerprint: The SHA-256 of the text.
        policy_version: What the locality calls it. Two texts may be called the same by
            mistake; they have two fingerprints.
        text: All of it and of its instruments, as JSON.
        since: When a service first started with it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    fingerprint: str
    policy_version: PolicyVersion
    text: str
    since: datetime

    @classmethod
    def of(cls, policy: Policy, since: datetime) -> Self:
        """Keep a policy."""
        return cls(
            id=edition_id(policy.fingerprint),
            fingerprint=policy.fingerprint,
            policy_version=policy.version,
            text=policy.text,
            since=since,
        )

    def policy(self) -> Policy:
        """Give the policy to weigh by, or to find words in.

        Raises:
            NoSuchPolicy: The text is another than it was when it was kept.
        """
        if hashlib.sha256(self.text.encode()).hexdigest() != self.fingerprint:
            raise NoSuchPolicy
        return Policy.model_validate_json(self.text)


def edition_id(fingerprint: str) -> str:
    """Name the edition of a fingerprint."""
    return str(uuid5(EDITIONS, fingerprint))
