"""One connection to the node that leads a RabbitMQ stream.

Below rstream's Producer and Consumer, on its Client: those reconnect on their own schedule, while
here every failure is reported at once and the caller starts anew.
"""

import asyncio
import logging
from collections.abc import Callable

from rstream import exceptions
from rstream.client import Client
from rstream.utils import OnClosedErrorInfo

from tasks.events.address import Address
from tasks.events.loop import LoopThread
from tasks.events.reach import refused_login, why_unreachable
from tasks.events.sink import BrokerTrouble

log = logging.getLogger(__name__)

# A stream without an end fills the disk. Declare it beforehand to choose otherwise.
RETENTION = {"max-age": "30D"}
_LOGIN = (
    exceptions.AuthenticationFailure,
    exceptions.SASLError,
    exceptions.SASLAuthenticationFailureLoopback,
    exceptions.VirtualHostAccessFailure,
)
_CONNECT_SECONDS = 8.0
OPEN_SECONDS = _CONNECT_SECONDS + 2.0
_CLOSE_SECONDS = 5.0
_HEARTBEAT_SECONDS = 30
_FRAME_MAX = 1_048_576


class StreamLink:
    """Made by ``open_link``. ``closed`` is set when the connection ends, whoever ended it."""

    def __init__(self, client: Client, stream: str, closed: asyncio.Event) -> None:
        self.client = client
        self.stream = stream
        self.closed = closed

    async def close(self) -> None:
        await _close(self.client)


async def open_link(address: Address, on_closed: Callable[[], None]) -> StreamLink:
    """Connect, log in, create the stream when it is missing. Raises BrokerTrouble."""
    closed = asyncio.Event()

    def ended(_: OnClosedErrorInfo) -> None:
        closed.set()
        on_closed()

    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await _connect_to_leader(address, ended)
    except _LOGIN as error:
        raise BrokerTrouble(refused_login(address, type(error).__name__)) from error
    except (exceptions.ServerError, exceptions.ClientError) as error:
        said = f"{type(error).__name__} {error}".strip()
        raise BrokerTrouble(
            f"RabbitMQ refuses the stream '{address.destination}': {said}"
        ) from error
    except (OSError, AssertionError) as error:
        # rstream asserts on answers that it does not expect, such as those of an AMQP port.
        said = f"{type(error).__name__}: {error}"
        raise BrokerTrouble(why_unreachable(address) or _strange(address, said)) from error
    client.add_stream(address.destination)  # rstream tells of a lost connection only then
    return StreamLink(client, address.destination, closed)


async def _connect_to_leader(
    address: Address, ended: Callable[[OnClosedErrorInfo], None]
) -> Client:
    client = await _connect(address, address.hosts[0], ended)
    try:
        await _create(client, address.destination)
        leader, _ = await client.query_leader_and_replicas(address.destination)
        if _is_at(client, leader.host, leader.port):
            return client
        other = await _connect(address, (leader.host, leader.port), ended)
    except BaseException:
        await _close(client)
        raise
    await _close(client)
    return other


def _strange(address: Address, said: str) -> str:
    host, port = address.hosts[0]
    return (
        f"{host}:{port} does not answer as a RabbitMQ stream port does ({said}): is the plugin "
        "rabbitmq_stream enabled, is it this port (5552)?"
    )


async def _connect(
    address: Address, host: tuple[str, int], ended: Callable[[OnClosedErrorInfo], None]
) -> Client:
    client = Client(
        *host,
        frame_max=_FRAME_MAX,
        heartbeat=_HEARTBEAT_SECONDS,
        connection_name="events",
        connection_closed_handler=ended,
    )
    try:
        await client.start()
        vhost = address.options.get("vhost", "/")
        await client.authenticate(vhost, address.user or "guest", address.password or "guest")
    except BaseException:
        await _close(client)
        raise
    return client


async def _close(client: Client) -> None:
    try:
        await client.close()
    except Exception as error:  # noqa: BLE001  # it raises again whatever ended one of its tasks
        log.debug("a stream connection ended badly: %s", error)
    if client._conn is not None:
        # rstream forgets the socket of a connection that broke.
        await client._conn.close()


async def _create(client: Client, stream: str) -> None:
    try:
        await client.create_stream(stream, RETENTION)
    except exceptions.StreamAlreadyExists:
        return
    except (exceptions.PreconditionFailed, exceptions.AccessRefused):
        # It is there with other arguments, or we may only use it: then that is what was wanted.
        if not await client.stream_exists(stream):
            raise


def _is_at(client: Client, host: str, port: int) -> bool:
    """Whether this connection's node calls itself by that address."""
    said = client.server_properties or {}
    return (said.get("advertised_host"), str(said.get("advertised_port"))) == (host, str(port))


def leave(loop: LoopThread, link: StreamLink) -> None:
    """Close the connection and end the thread; bounded, and never an error."""
    try:
        loop.run(link.close(), _CLOSE_SECONDS)
    except (OSError, exceptions.ServerError):
        pass  # it is gone already
    finally:
        loop.close()
