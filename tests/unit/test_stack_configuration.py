"""What the servers and the supervisor of a private stack are told."""

import base64
import configparser
import hashlib
import shlex
from pathlib import Path

import pytest

from ops.stack import environment, parts, postgres, rabbitmq, redis_servers, supervisor
from ops.stack.layout import Layout

LAYOUT = Layout(Path("/var/somewhere/.stack/test"))
PORTS = {name: 20_000 + number for number, name in enumerate(parts.PORT_NAMES)}


def program(name: str, **changes: object) -> configparser.SectionProxy:
    part = parts.Part(name, ["serve", "--rate=50%", "two words"], parts.group_of(name), **changes)  # type: ignore[arg-type]
    text = supervisor.configuration(LAYOUT, [part], 20_000, "password")
    # With supervisord's own rules for comments.
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    return parser[f"program:{name}"]


def test_a_command_line_reaches_the_program_unchanged() -> None:
    command = program("web")["command"].replace("%%", "%")
    assert shlex.split(command) == ["serve", "--rate=50%", "two words"]


def test_a_server_sees_nothing_of_the_applications_environment() -> None:
    command = program("postgres", environment={"LANG": "C.UTF-8"}, bare=True)["command"]
    assert shlex.split(command)[:3] == ["/usr/bin/env", "-i", "LANG=C.UTF-8"]


def test_nothing_starts_by_itself_and_everything_is_started_again() -> None:
    section = program("relay")
    assert section["autostart"] == "false"
    assert section["autorestart"] == "true"


def test_only_what_does_not_stop_in_time_is_killed_with_its_children() -> None:
    section = program("worker-payment")
    assert section["stopasgroup"] == "false"
    assert section["killasgroup"] == "true"


def test_the_application_is_stopped_before_its_servers() -> None:
    built = [parts.Part(name, ["x"], parts.group_of(name)) for name in ("web", "postgres")]
    parser = configparser.RawConfigParser()
    parser.read_string(supervisor.configuration(LAYOUT, built, 1, "password"))
    assert int(parser["group:application"]["priority"]) > int(parser["group:servers"]["priority"])


@pytest.mark.parametrize(
    "text",
    [
        postgres.configuration(5),
        redis_servers.configuration(5, Path("/x"), "password", redis_servers.KEPT_MEMORY),
    ],
)
def test_servers_listen_on_the_loopback_interface_only(text: str) -> None:
    assert "127.0.0.1" in text
    assert "0.0.0.0" not in text  # noqa: S104 - it is what must not be there
    assert "*" not in text


def test_every_listener_of_rabbitmq_is_on_the_loopback_interface() -> None:
    text = rabbitmq.configuration(PORTS, Path("/x/definitions.json"))
    settings = dict(line.split(" = ") for line in text.splitlines())
    assert settings["listeners.tcp.local"] == f"127.0.0.1:{PORTS['rabbitmq']}"
    assert settings["management.tcp.ip"] == settings["prometheus.tcp.ip"] == "127.0.0.1"
    variables = rabbitmq.environment(LAYOUT, PORTS)
    assert "{127,0,0,1}" in variables["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    assert variables["ERL_EPMD_ADDRESS"] == "127.0.0.1"


def test_lock_nodes_never_drop_a_lease_and_the_cache_may_forget() -> None:
    assert "noeviction" in redis_servers.KEPT_MEMORY
    assert "allkeys-lru" in redis_servers.CACHE_MEMORY


def test_rabbitmq_can_verify_the_password_from_its_hash() -> None:
    raw = base64.b64decode(rabbitmq.password_hash("password", b"salt"))
    assert raw[:4] == b"salt"
    assert raw[4:] == hashlib.sha256(b"saltpassword").digest()


def test_the_guest_user_is_not_defined_and_tests_have_their_own_virtual_host() -> None:
    defined = rabbitmq.definitions("password")
    assert [user["name"] for user in defined["users"]] == ["soldonce"]
    assert {vhost["name"] for vhost in defined["vhosts"]} == {"/", environment.TEST_VHOST}


def test_every_part_belongs_to_a_group() -> None:
    assert {parts.group_of(part) for part in parts.ALL} == {"servers", "application"}
