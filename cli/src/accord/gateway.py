"""A small gateway: five processes behind one port, at the paths of one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

NOTIFY, LINKS = "notify", "/acknowledge/{link}"
"""Whose page is behind the links in e-mails, and where: at no path of an API."""

HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Headers about one connection; the next one has its own."""


@asynccontextmanager
async def gateway(addresses: Mapping[str, str]) -> AsyncIterator[Starlette]:
    """Give an application that passes requests on to the services' own addresses."""
    limits = httpx2.Limits(max_connections=200, max_keepalive_connections=50)
    async with httpx2.AsyncClient(timeout=30, limits=limits) as client:

        async def pass_on(request: Request) -> Response:
            service = request.path_params["service"]
            if service not in addresses:
                return _unknown()
            path = request.path_params["path"]
            return await _passed_on(client, f"{addresses[service]}/{path}", request)

        async def pass_to_page(request: Request) -> Response:
            if NOTIFY not in addresses:
                return _unknown()
            page = f"{addresses[NOTIFY]}{request.url.path}"
            return await _passed_on(client, page, request)

        yield Starlette(
            routes=[
                Route("/api/{service}/{path:path}", pass_on, methods=METHODS),
                Route(LINKS, pass_to_page, methods=METHODS),
            ]
        )


async def _passed_on(
    client: httpx2.AsyncClient, address: str, request: Request
) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    sent = client.build_request(
        request.method,
        f"{address}{query}",
        headers=_onward(request.headers),
        content=request.stream() if request.method not in {"GET", "HEAD"} else None,
    )
    try:
        answer = await client.send(sent, stream=True)
    except httpx2.TransportError:
        return _problem(503, "away", "The service is away: try again soon.")
    return StreamingResponse(
        answer.aiter_raw(),
        status_code=answer.status_code,
        headers=_onward(answer.headers),
        background=BackgroundTask(answer.aclose),
    )


def _onward(headers: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}


def _unknown() -> Response:
    return _problem(404, "http-404", "There is no such service.")


def _problem(status: int, kind: str, title: str) -> Response:
    return JSONResponse(
        {"type": f"urn:accord:problem:{kind}", "title": title, "status": status},
        status_code=status,
        media_type="application/problem+json",
    )
