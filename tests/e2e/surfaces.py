"""Wherever something may come out: answers, documents, files, what commands print.

Each gives what came out as bytes, by the name of where that was, and finds by itself
what there is to look at: whatever is added later is looked at too.
"""

import asyncio
import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from accord.main import app as command
from accord.surroundings import AUDIT, PREFIX
from accord_chassis.topology import OPERATOR
from app import Region, Route
from bson import json_util
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from cli_verbs import run_in
from pymongo import AsyncMongoClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHUNK = 1 << 20

TOKEN_PARTS = 3

OPLOG = ("local", "oplog.rs")
"""Every write there was, also of what is deleted; no list of databases has it."""

RAW: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument)

WITH_DATES = json_util.JSONOptions(
    datetime_representation=json_util.DatetimeRepresentation.ISO8601
)
"""Otherwise what was before 1970 is a number."""


@dataclass
class Answers:
    """Everything that services answer through the gateway: status, headers, bodies.

    Attributes:
        heard: By method and path, as they were asked for, and the agency that asked.
    """

    heard: dict[tuple[str, str, str], list[bytes]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def around(self, app: ASGIApp) -> ASGIApp:
        """Listen to what an application answers."""

        async def listening(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            agency = _agency_of(dict(scope["headers"]).get(b"authorization", b""))
            heard = self.heard[scope["method"], scope["path"], agency]
            headers: list[bytes] = []
            body = bytearray()

            async def hear(message: Message) -> None:
                headers.extend(b": ".join(each) for each in message.get("headers", ()))
                body.extend(message.get("body", b""))
                await send(message)

            await app(scope, receive, hear)
            heard.append(b"\n".join((*headers, bytes(body))))

        return listening

    def by_route(
        self, routes: Iterable[Route], *, but: str | None = None
    ) -> dict[Route, list[bytes]]:
        """Give what was answered, by the route that answered.

        Args:
            routes: What there is; an answer of none of them is nobody's.
            but: An agency; what it was answered itself is left out.
        """
        # `/v1/referrals/batch` fits `/v1/referrals/{referral_id}` as well.
        plainest = sorted(routes, key=lambda route: route[2].count("{"))
        patterns = {route: _pattern(route) for route in plainest}
        found: dict[Route, list[bytes]] = {route: [] for route in plainest}
        for (method, path, agency), answers in self.heard.items():
            if agency == but:
                continue
            fitting = (
                route
                for route, pattern in patterns.items()
                if route[1] == method and pattern.fullmatch(path)
            )
            route = next(fitting, ("nobody", method, ""))
            found.setdefault(route, []).extend(answers)
        return found


def _pattern(route: Route) -> re.Pattern[str]:
    service, _, path = route
    return re.compile(f"/api/{service}{re.sub('{.*?}', '[^/]+', path)}")


def _agency_of(authorization: bytes) -> str:
    """Say for which agency a token was given out, if for any."""
    parts = authorization.split(b".")
    if len(parts) != TOKEN_PARTS:
        return ""
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=="))
    return str(claims.get("agency", ""))


async def documents_of(
    store: AsyncMongoClient[dict[str, Any]],
) -> dict[str, list[bytes]]:
    """Give every document of every database, and the log of all writes.

    Each is given as it came, byte for byte, and as JSON, in which times and binary
    fields are texts.
    """
    places = [OPLOG]
    for database in await store.list_database_names():
        names = await store[database].list_collection_names()
        places += [(database, name) for name in names]
    found = {}
    for database, name in places:
        documents = store[database][name].with_options(RAW)
        found[f"{database}.{name}"] = [
            piece async for each in documents.find({}) for piece in _both(each)
        ]
    return found


def _both(document: RawBSONDocument) -> Iterator[bytes]:
    yield document.raw
    yield json_util.dumps(document, json_options=WITH_DATES).encode()


def files_in(folder: Path) -> list[bytes]:
    """Give what stands in every file of a folder, without the holes in it."""
    return [_without_holes(each) for each in folder.rglob("*") if each.is_file()]


def _without_holes(file: Path) -> bytes:
    """Read a file but for pieces of nothing but zeros: logs are laid out in advance."""
    with file.open("rb") as opened:
        pieces = iter(lambda: opened.read(CHUNK), b"")
        return b"".join(each for each in pieces if any(each))


def commands(group: Any = None, *before: str) -> Iterator[str]:
    """Name every command that `accord` has."""
    group = group or typer.main.get_command(command)
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from commands(each, *before, name)
        else:
            yield " ".join((*before, name))


async def printed(
    region: Region, folder: Path, words: Iterable[str], *, who: str = "operator"
) -> bytes:
    """Give what the command says to somebody who operates, whatever it finds."""
    ended = await asyncio.to_thread(run_in, folder, *words, **_named(region, who))
    assert "Traceback" not in ended.stderr, ended.stderr
    return f"{ended.stdout}\n{ended.stderr}".encode()


def _named(region: Region, who: str) -> Mapping[str, str]:
    """Name the deployment as its operator would, who may see everything of it."""
    told = region.surroundings
    as_service = told.environment("referrals", port=1, addresses={})
    keys = ("AUDIT_KEY", "DEVELOPMENT", "KMS_KEY_FILE", "VAULT_DATABASE", "ISSUER")
    return {
        **{f"{PREFIX}{name}": as_service[f"{PREFIX}{name}"] for name in keys},
        f"{PREFIX}REGION": told.region,
        f"{PREFIX}VHOST": told.vhost,
        f"{PREFIX}MANAGEMENT_URL": told.management_url,
        f"{PREFIX}AMQP_URL": told.amqp_url_of(OPERATOR),
        f"{PREFIX}STORE_URL": told.store_url,
        f"{PREFIX}AUDIT_DATABASE": told.database_of(AUDIT),
        f"{PREFIX}JWKS_URL": told.issuer.jwks_url,
        f"{PREFIX}OPERATOR_TOKEN": region.operator_token(who),
        f"{PREFIX}SMTP_URL": region.mail.url,
        f"{PREFIX}URL": region.url,
        f"{PREFIX}TOKEN": region.agency("hospital").token,
    }
