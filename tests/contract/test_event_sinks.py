"""What every sink and every source promises, on real brokers."""

import time
from urllib.parse import urlsplit

import pytest

from tasks.events.sink import BrokerTrouble, EventSource, Outgoing
from tests.contract.event_brokers import GROUP, OTHER_GROUP, Tansu
from tests.contract.event_rig import READ_SECONDS, EventRig, numbered, outgoing, taken, text
from tests.contract.redis_nodes import free_port

SHORT_SECONDS = 3.0
TOO_LARGE = "x" * 1_100_000


def test_every_message_is_confirmed_by_its_id_and_reaches_every_group(event_rig: EventRig) -> None:
    batch = [*numbered(300, keys=7), outgoing('ä € 日本 \\n "quoted" \U0001f600')]

    event_rig.publish(batch)

    sent = sorted(message.body.decode() for message in batch)
    assert sorted(event_rig.read(301, GROUP)) == sent
    assert sorted(event_rig.read(301, OTHER_GROUP)) == sent


def test_messages_of_a_key_keep_their_order_over_batches(event_rig: EventRig) -> None:
    sink = event_rig.sink()
    batches = [[outgoing(f"{n} {key}", key) for key in ("a", "b", "c")] for n in range(20)]
    for batch in batches:
        assert len(sink.publish(batch).confirmed) == 3

    read = event_rig.read(60)

    for key in ("a", "b", "c"):
        assert [one for one in read if one.endswith(key)] == [f"{n} {key}" for n in range(20)]


def test_an_empty_batch_is_no_trouble(event_rig: EventRig) -> None:
    outcome = event_rig.sink().publish([])

    assert (outcome.confirmed, outcome.refused, outcome.trouble) == (set(), {}, "")


def test_a_message_that_is_too_large_is_refused_and_the_rest_goes_out(event_rig: EventRig) -> None:
    before, large, after = outgoing("before", "a"), outgoing(TOO_LARGE, "b"), outgoing("after", "c")
    sink = event_rig.sink()

    outcome = sink.publish([before, large, after])

    assert outcome.confirmed == {before.id, after.id}
    assert set(outcome.refused) == {large.id}
    assert "too large" in outcome.refused[large.id] or "maximum" in outcome.refused[large.id]
    assert outcome.trouble == ""
    assert sorted(event_rig.read(2)) == ["after", "before"]


def test_a_broker_that_is_away_settles_nothing_and_says_so(event_rig: EventRig) -> None:
    sink = event_rig.sink(event_rig.broker.url(port=free_port()), SHORT_SECONDS)
    batch = numbered(3)
    began = time.monotonic()

    outcome = sink.publish(batch)

    assert (outcome.confirmed, outcome.refused) == (set(), {})
    assert "is the broker running" in outcome.trouble
    assert outcome.unsettled(batch) == batch
    assert time.monotonic() - began < 15


def test_an_unknown_host_is_named(event_rig: EventRig) -> None:
    place = urlsplit(event_rig.url).netloc.rpartition("@")[2]
    sink = event_rig.sink(event_rig.url.replace(place, "nowhere.invalid"), SHORT_SECONDS)

    outcome = sink.publish(numbered(1))

    assert outcome.confirmed == set()
    assert "'nowhere.invalid' is not known" in outcome.trouble
    assert "EVENT_SINK_URL" in outcome.trouble


def test_a_wrong_password_is_called_one(event_rig: EventRig) -> None:
    if event_rig.address.scheme == "kafka":
        pytest.skip("Tansu lets everybody in; test_kafka_asks_for_a_login covers the answer")
    sink = event_rig.sink(event_rig.broker.url(password="guessed"), SHORT_SECONDS)

    outcome = sink.publish(numbered(1))

    assert outcome.confirmed == set()
    assert "check the credentials in EVENT_SINK_URL" in outcome.trouble
    assert "guessed" not in outcome.trouble


def test_a_killed_broker_is_trouble_for_both_sides_and_they_go_on_when_it_is_back(
    event_rig: EventRig,
) -> None:
    sink = event_rig.sink()
    first, second = numbered(5), numbered(5)
    assert len(sink.publish(first).confirmed) == 5
    try:
        with event_rig.source() as source:
            taken(source, 1, done=True)
            event_rig.broker.kill()
            outcome = sink.publish(second)
            with pytest.raises(BrokerTrouble):
                _read_for(source, READ_SECONDS)
    finally:
        event_rig.broker.start()

    assert outcome.confirmed == set()
    assert outcome.trouble
    _publish_until_taken(event_rig, second)
    # The position may not have been written down in time, then the first one comes again.
    read = event_rig.read(9 if event_rig.broker.keeps else 5)
    assert set(read) == {"0", "1", "2", "3", "4"}


def _publish_until_taken(rig: EventRig, batch: list[Outgoing]) -> None:
    """As the relay does: what is not confirmed is sent again."""
    sink, left = rig.sink(), list(batch)
    deadline = time.monotonic() + READ_SECONDS
    while left:
        assert time.monotonic() < deadline
        left = sink.publish(left).unsettled(left)


def test_a_group_goes_on_behind_what_it_has_done_and_the_rest_comes_again(
    event_rig: EventRig,
) -> None:
    event_rig.publish(numbered(10))
    with event_rig.source() as source:
        done = [text(one) for one in taken(source, 4, done=True)]
    with event_rig.source() as source:
        left = [text(one) for one in taken(source, 3, done=False)]

    assert done + event_rig.read(6) == [f"{n}" for n in range(10)]
    assert left == ["4", "5", "6"]


def test_waiting_events_are_counted_where_the_broker_can_tell(event_rig: EventRig) -> None:
    event_rig.publish(numbered(2_500))
    with event_rig.source() as source:
        taken(source, 5, done=True)

        expected = None if event_rig.address.scheme == "stomp" else 2_495
        assert source.behind() == expected

        taken(source, 2_495, done=True)
        assert source.behind() in {None, 0}
        assert source.receive(0.2) is None

        event_rig.publish([outgoing("late")])
        assert [text(one) for one in taken(source, 1, done=True)] == ["late"]


def _read_for(source: EventSource, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        source.receive(0.5)


def test_kafka_asks_for_a_login(tansu: Tansu) -> None:
    rig = EventRig(tansu, tansu.url(password="guessed"))

    outcome = rig.sink(timeout_seconds=SHORT_SECONDS).publish(numbered(1))

    assert outcome.confirmed == set()
    assert outcome.trouble
    assert "guessed" not in outcome.trouble


def test_an_option_that_librdkafka_does_not_know_is_named(tansu: Tansu) -> None:
    rig = EventRig(tansu, f"{tansu.url()}?no.such.option=1")

    outcome = rig.sink().publish(numbered(1))

    assert "no.such.option" in outcome.trouble
    assert "EVENT_SINK_URL" in outcome.trouble


def test_a_port_that_is_no_stream_port_is_told_from_a_broker_that_is_away(tansu: Tansu) -> None:
    place = urlsplit(tansu.url()).netloc
    rig = EventRig(tansu, f"rabbitmq-stream://guest:guest@{place}/events")

    outcome = rig.sink().publish(numbered(1))

    assert outcome.confirmed == set()
    assert "is the plugin rabbitmq_stream enabled" in outcome.trouble


def test_a_batch_is_faster_than_one_by_one(event_rig: EventRig) -> None:
    """Prints the rates: './dev test tests/contract/test_event_sinks.py -k faster -s'."""
    sink = event_rig.sink()
    sink.publish(numbered(1))
    body = "x" * 600

    def rate(count: int, batch_size: int) -> float:
        messages = [outgoing(body, f"order:{n}") for n in range(count)]
        began = time.perf_counter()
        for start in range(0, count, batch_size):
            batch = messages[start : start + batch_size]
            assert len(sink.publish(batch).confirmed) == len(batch)
        return count / (time.perf_counter() - began)

    alone, together = rate(100, 1), rate(2_000, 200)

    print(f"\n{event_rig.address.scheme}: {alone:,.0f}/s alone, {together:,.0f}/s by 200")  # noqa: T201
    assert together > 1.5 * alone
