"""The parts of the event stream that need no server."""

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime

import pytest

from ops.stack.layout import CHECKOUT
from tasks.event_models import EventMessage
from tasks.events import schemas
from tasks.events.address import BadAddress, check_group, parse
from tasks.events.dead_events import unwrap, wrap
from tasks.events.envelope import NotAnEvent, decode, encode

DOCS = CHECKOUT / "docs" / "events"
GOOD = {
    "id": str(uuid.uuid4()),
    "type": "order.paid",
    "version": 1,
    "subject": "order:1",
    "sequence": 1,
    "occurred_at": "2026-01-01T00:00:00+00:00",
    "data": {},
}


def test_the_documents_hold_every_schema_as_it_is_used() -> None:
    used = {path.name: path.read_text() for path in schemas.files().values()}
    shown = {path.name: path.read_text() for path in DOCS.glob("*.v*.json")}
    shown.pop("envelope.v1.json")

    assert used
    assert shown == used, "copy orders/event_schemas/*.json to docs/events"


def test_the_index_names_every_event() -> None:
    index = (DOCS / "README.md").read_text()

    assert [p.name for p in schemas.files().values() if f"]({p.name})" not in index] == []


def test_a_schema_says_which_event_it_is_for() -> None:
    for (event_type, version), path in schemas.files().items():
        schema = json.loads(path.read_text())
        assert schema["$id"] == f"urn:soldonce:event:{event_type}:v{version}"
        assert schema["description"]
        # A consumer of today must survive a field of tomorrow.
        assert "additionalProperties" not in path.read_text()


def test_a_url_is_read_into_its_parts() -> None:
    address = parse("kafka://u%40x:p%3A@a:1,b/orders.events?compression.type=lz4")

    assert address.hosts == (("a", 1), ("b", 9092))
    assert (address.user, address.password) == ("u@x", "p:")
    assert address.destination == "orders.events"
    assert address.options == {"compression.type": "lz4"}
    assert address.shown == "kafka://a:1,b:9092/orders.events"


def test_an_address_of_ipv6_is_read() -> None:
    assert parse("rabbitmq-stream://[::1]:5552/s").hosts == (("::1", 5552),)


def test_dead_letters_of_a_queue_are_read_by_their_group_only() -> None:
    dead = parse("stomp://h/events?groups=a,b").dead_letters("a")

    assert (dead.destination, dead.options["groups"]) == ("events.dead.a", "a")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 81])
def test_a_group_needs_a_name_that_every_broker_takes(name: str) -> None:
    with pytest.raises(BadAddress):
        check_group(name)


def test_an_event_comes_out_as_it_went_in() -> None:
    message = EventMessage(
        subject="order:1", sequence=3, type="order.paid", version=1, data={"ä": "€"},
        trace_id="t", occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip

    event = decode(encode(message))

    assert encode(message).isascii()
    assert (event.id, event.subject, event.sequence) == (message.pk, "order:1", 3)
    assert (event.data, event.occurred_at) == ({"ä": "€"}, message.occurred_at)


def test_an_event_with_fields_of_tomorrow_is_read() -> None:
    assert decode(json.dumps({**GOOD, "tenant": "x", "data": {"new": 1}}).encode()).data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        *(json.dumps({k: v for k, v in GOOD.items() if k != name}).encode() for name in GOOD),
        *(
            json.dumps({**GOOD, name: bad}).encode()
            for name, bad in [
                ("id", "x"), ("sequence", 0), ("subject", ""), ("subject", "x" * 81),
                ("occurred_at", "yesterday"), ("occurred_at", "2026-01-01T00:00:00"),
                ("data", "x"), ("version", None),
            ]
        ),
    ],
)  # fmt: skip
def test_what_is_no_event_is_told_from_one(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        decode(body)


def test_a_dead_letter_keeps_the_bytes_and_the_cause() -> None:
    try:
        raise KeyError("sku")
    except KeyError as error:
        letter = wrap(b"\x00\xff", "order:1", group="sales", attempts=6, error=error)

    dead = unwrap(letter.body)

    assert dead.body == b"\x00\xff"
    assert "KeyError: 'sku'" in dead.error
    assert "test_events.py" in dead.error
    with pytest.raises(NotAnEvent):
        unwrap(b'{"body": "x"}')


_LOADED = """
import sys, django
django.setup()
from tasks.events import checks, chosen, consumer, emit, relay
from tasks.events.address import parse
clients = ("confluent_kafka", "rstream", "stomp")
loaded = lambda: [name for name in clients if name in sys.modules]
before = loaded()
chosen.make_sink(parse(sys.argv[1]), timeout_seconds=1)
print(before, loaded())
"""


@pytest.mark.parametrize(
    ("url", "library"),
    [
        ("kafka://h/t", "confluent_kafka"),
        ("rabbitmq-stream://h/s", "rstream"),
        ("stomp://h/q?groups=a", "stomp"),
    ],
)
def test_only_the_library_of_the_chosen_sink_is_loaded(url: str, library: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _LOADED, url],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert run.stdout.strip() == f"[] ['{library}']"
