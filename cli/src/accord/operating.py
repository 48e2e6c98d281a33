"""The operator's own connection to the broker: looks, replays, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accord_chassis.doors import Line
from aio_pika import connect
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ProbableAuthenticationError

from accord.deployment import Deployment, at_vhost
from accord.faults import CannotGoOn

SECONDS = 10.0


@asynccontextmanager
async def operator(deployment: Deployment) -> AsyncIterator[AbstractConnection]:
    """Connect to a deployment's broker as its operator.

    Raises:
        CannotGoOn: The broker is away or does not know the operator.
    """
    url = at_vhost(deployment.need_amqp(), deployment.vhost)
    try:
        connection = await connect(
            url,
            timeout=SECONDS,
            ssl_context=Line(url, trust=deployment.trust()).context(),
            client_properties={"connection_name": "accord operator"},
        )
    except ProbableAuthenticationError:
        raise CannotGoOn(
            "The broker does not know the operator by this password.",
            mend="Correct ACCORD_AMQP_URL, or give the operator a password with "
            "`accord topology apply`.",
        ) from None
    except (AMQPError, OSError, TimeoutError) as fault:
        raise CannotGoOn(
            f"The broker does not answer ({type(fault).__name__}).",
            mend="`accord doctor` says more.",
        ) from None
    async with connection:
        yield connection
