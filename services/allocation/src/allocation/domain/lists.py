"""Who may have nothing to do with a case."""

import hashlib
import json
from collections.abc import Iterable

from accord_contracts.access import AGENCIES, listed_id
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict


class Lists(BaseModel):
    """Who may have nothing to do with a case, whatever else they are.

    The two lists of the United Kingdom's Delius (RELIABILITY 2.2), and conflicts of
    interest: workers who are related to somebody in the case, or are one of them.

    Attributes:
        excluded: These may not.
        named_only: Only these may; none: it is not so restricted.
        conflicts: These have a conflict of interest.
        subjects: People at agencies who are in no directory, by their ``listed_id``:
            these may not.
        agencies: By their codes: these are never asked what they know of it, and
            whoever works for one of them may not.
        agency_workers: Who worked for one of them when the lists were put.
    """

    model_config = ConfigDict(frozen=True)

    excluded: frozenset[str] = frozenset()
    named_only: frozenset[str] | None = None
    conflicts: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    agencies: frozenset[str] = frozenset()
    agency_workers: frozenset[str] = frozenset()

    @property
    def mark(self) -> str:
        """What tells these lists from others: if they name the same, it is the same."""
        named = self.model_dump(mode="json", exclude={"agency_workers"})
        in_order = {key: each and sorted(each) for key, each in named.items()}
        return hashlib.sha256(json.dumps(in_order).encode()).hexdigest()[:32]

    @property
    def barred(self) -> frozenset[str]:
        """Every worker who is named as one who may not, or whose agency is."""
        return self.excluded | self.conflicts | self.agency_workers

    def name(self, listed: str) -> bool:
        """Tell whether somebody in no directory, or an agency, is named by their id."""
        agencies = (listed_id(AGENCIES, each) for each in self.agencies)
        return listed in self.subjects or listed in agencies

    def unlisted(self, worker_id: str) -> bool:
        """Tell whether only others may."""
        return self.named_only is not None and worker_id not in self.named_only

    def bar(self, worker_id: str) -> bool:
        """Tell whether a worker may have nothing to do with the case."""
        return worker_id in self.barred or self.unlisted(worker_id)

    def with_those_of(self, others: Iterable["Lists"]) -> "Lists":
        """Give the lists that hold where several do: the stricter wins."""
        several = [self, *others]
        named = [e.named_only for e in several if e.named_only is not None]
        return Lists(
            excluded=frozenset[str]().union(*(e.excluded for e in several)),
            named_only=frozenset.intersection(*named) if named else None,
            conflicts=frozenset[str]().union(*(e.conflicts for e in several)),
            subjects=frozenset[str]().union(*(e.subjects for e in several)),
            agencies=frozenset[str]().union(*(e.agencies for e in several)),
            agency_workers=frozenset[str]().union(*(e.agency_workers for e in several)),
        )


class NotSeen(Refusal):
    """Say by If-Match which ETag of the lists this is decided on."""

    status = 428


class ListsChanged(Refusal):
    """The lists have changed since they were read: read them again."""

    status = 412


class AgencyListed(Refusal):
    """The lists of the case name the agency: it can have nothing to do with it."""

    status = 422


class NobodyThere(Refusal):
    """Nobody who is at work for the agency is in the directory: say so to go on."""

    status = 422


class NobodyLeft(Refusal):
    """These lists would leave no other coordinator who may look at the case."""

    status = 422
