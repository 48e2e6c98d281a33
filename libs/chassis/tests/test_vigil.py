"""That a service is cut off is written where somebody is woken by it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.service.vigil import AGAIN
from accord_chassis.testing import NOON, VirtualHost, eventually, message_of, new_id
from accord_chassis.transport import Publication
from accord_contracts.message import Lane
from chassis_builders import Thing
from chassis_surroundings import Line, Lines, Proxy, logged, virtual_host_of
from chassis_toy import TOY, Settings, Toy, changed, living, settings_for

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
async def host(backing_services: Backing) -> AsyncIterator[VirtualHost]:
    """A virtual host for the toy."""
    async with virtual_host_of(backing_services, TOY) as made:
        yield made


@pytest.fixture
async def settings(
    backing_services: Backing, host: VirtualHost, issuer: DevelopmentIssuer
) -> Settings:
    for lane in Lane:
        await (await host.channel.get_queue(f"toy.{lane}")).purge()
    store_url = backing_services.store_url
    return settings_for(store_url, issuer, amqp_url=host.url("toy"))


async def tidied(toy: Toy, settings: Settings) -> None:
    """Leave nothing behind."""
    await toy.service.client.drop_database(settings.database)
    await toy.service.client.drop_database(settings.audit_database)


def said(lines: Lines, event: str) -> list[dict[str, object]]:
    """Give what was written of an event as critical."""
    return [e for e in lines.of(event) if e["level"] == "critical"]


async def test_a_service_without_its_broker_says_so_after_ten_minutes_and_again(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.amqp_url.get_secret_value()) as proxy:
        store_url = settings.store_url.get_secret_value()
        given = settings_for(store_url, issuer, amqp_url=proxy.url)
        clock = SimulatedClock(NOON)
        with logged() as lines:
            async with living(given, issuer, clock=clock) as toy:
                look = toy.service.vigil.look
                await toy.service.started.wait()
                await proxy.become(Line.REFUSED)

                async def gone() -> bool:
                    return not toy.service.transport.ready()

                await eventually(gone)
                assert (await toy.make(new_id())).status_code == 202
                await look()
                clock.advance(10 * MINUTE - timedelta(seconds=1))
                await look()
                before = said(lines, "outbox.silent"), said(lines, "dependency.silent")
                clock.advance(timedelta(seconds=1))
                await look()
                await look()
                first = said(lines, "outbox.silent"), said(lines, "dependency.silent")
                clock.advance(AGAIN)
                await look()
                again = said(lines, "outbox.silent"), said(lines, "dependency.silent")

                await proxy.become(Line.GOOD)

                async def all_left() -> bool:
                    ready = toy.service.transport.ready()
                    return ready and toy.service.relay.oldest() is None

                await eventually(all_left, within=30)
                await look()
                clock.advance(AGAIN)
                await look()
                after = said(lines, "outbox.silent"), said(lines, "dependency.silent")
                await tidied(toy, given)

    assert before == ([], [])
    assert [len(each) for each in first] == [1, 1]
    assert [len(each) for each in again] == [2, 2]
    assert [each["delay_s"] for each in again[0]] == [600.0, 1080.0]
    assert {each["dependency"] for each in again[1]} == {"broker"}
    assert after == again


async def test_a_service_whose_store_never_answers_says_so(
    settings: Settings, issuer: DevelopmentIssuer
) -> None:
    async with Proxy(settings.store_url.get_secret_value()) as proxy:
        await proxy.become(Line.REFUSED)
        amqp_url = settings.amqp_url.get_secret_value()
        given = settings_for(proxy.url, issuer, amqp_url=amqp_url)
        clock = SimulatedClock(NOON)
        with logged() as lines:
            async with living(given, issuer, clock=clock) as toy:
                await toy.service.vigil.look()
                clock.advance(10 * MINUTE)
                await toy.service.vigil.look()
                found = said(lines, "dependency.silent")

    assert "store" in {each["dependency"] for each in found}


@pytest.mark.parametrize("lane", Lane)
async def test_that_something_urgent_is_parked_wakes_somebody(
    settings: Settings, issuer: DevelopmentIssuer, lane: Lane
) -> None:
    with logged() as lines:
        async with living(settings, issuer) as toy:
            await toy.service.started.wait()
            sent = pack(message_of(changed(Thing(id=new_id())), lane=lane))
            broken = type(sent)(sent.message_id, sent.routing_key, sent.headers, b"{")
            await toy.service.transport.publish([Publication(topology.EVENTS, broken)])

            async def parked() -> bool:
                return toy.service.bus.activity.parked == 1

            await eventually(parked)
            found = said(lines, "urgent.parked")
            await tidied(toy, settings)

    queues = [each["queue"] for each in found]
    assert queues == (["toy.urgent"] if lane is Lane.URGENT else [])
