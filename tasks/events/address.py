"""Reading the URL that chooses the sink. Pure: nothing is connected here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote, urlsplit

_PORTS = {"kafka": 9092, "rabbitmq-stream": 5552, "stomp": 61613}
_EXAMPLES = (
    "kafka://host:9092/topic, rabbitmq-stream://user:password@host:5552/stream or "
    "stomp://user:password@host:61613/queue?groups=sales"
)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class BadAddress(ValueError):
    """The URL of an event sink cannot be understood. The text never holds its password."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where events go. ``hosts`` are (host, port) pairs; only Kafka may have several."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    destination: str
    user: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """For logs: without credentials and options."""
        places = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{self.scheme}://{places}/{self.destination}"

    def dead_letters(self, group: str) -> "Address":
        """Where the events go that this group could not handle; only the group reads there."""
        options = {**self.options, "groups": group} if self.scheme == "stomp" else self.options
        return replace(self, destination=f"{self.destination}.dead.{group}", options=options)


def parse(url: str) -> Address:
    """The address in the URL. Raises BadAddress with what to write instead."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _PORTS:
        raise BadAddress(f"An event sink's URL looks like {_EXAMPLES}; not like '{scheme}…'.")
    parts = urlsplit(url)
    credentials, _, places = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    destination = unquote(parts.path.strip("/"))
    if not _NAME.fullmatch(destination):
        raise BadAddress(
            f"The path of a {scheme}:// URL names the topic, stream or queue: letters, digits and "
            f". _ - only, like {_EXAMPLES}."
        )
    return Address(
        scheme=scheme,
        hosts=_hosts(scheme, places),
        destination=destination,
        user=unquote(user),
        password=unquote(password),
        options=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


def _hosts(scheme: str, places: str) -> tuple[tuple[str, int], ...]:
    found = tuple(_host(scheme, place) for place in places.split(","))
    if len(found) > 1 and scheme != "kafka":
        raise BadAddress(f"A {scheme}:// URL has one host; several are for kafka:// only.")
    return found


def _host(scheme: str, place: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadAddress(f"'{place}' is not host:port ({error}).") from None
    if not host:
        raise BadAddress(f"The {scheme}:// URL names no host. Write {_EXAMPLES}.")
    return host, port or _PORTS[scheme]


def check_group(name: str) -> str:
    """The name, when a group of consumers may have it. Raises BadAddress."""
    if not _NAME.fullmatch(name) or len(name) > 80:
        raise BadAddress(f"'{name}' is no name for a group: letters, digits and . _ - only.")
    return name
