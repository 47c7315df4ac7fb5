"""New nodes, wrong nodes, wrong calls: each with a message that says what to do."""

import re
import subprocess
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from tasks.clock import SYSTEM_CLOCK
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.guard import single_flight
from tasks.locks.bootstrap import NodeNotNew, mark_ready
from tasks.locks.chosen import forget_backend, get_backend
from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.redlock import Redlock
from tasks.locks.waiting import acquire_within
from tests.contract.conftest import MakeClient
from tests.contract.redis_nodes import PREFIX, Nodes, free_port, running
from tests.contract.waiting import wait_until

PATIENT = {"ttl": 0.5, "wait": 2.0, "clock": SYSTEM_CLOCK}


class Told:
    """Hears what the backend tells about its rounds."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def round_done(self, operation: str, *_: Any, **__: Any) -> None:
        self.operations.append(operation)

    def node_answered(self, node: str, seconds: float) -> None: ...

    def node_failed(self, node: str, reason: str) -> None: ...


def _can_acquire(backend: Redlock) -> bool:
    try:
        return backend.release(backend.acquire("order:1", ttl=0.5))
    except QuorumUnavailable:
        return False


def test_unmarked_nodes_vote_after_their_quarantine(tmp_path: Path, client: MakeClient) -> None:
    with running(3, tmp_path, trusted=False) as nodes:
        backend = client(nodes, max_ttl=0.5)
        with pytest.raises(QuorumUnavailable, match=r"restarted, may vote again in 2\.\d s"):
            backend.acquire("order:1", ttl=0.5)
        wait_until(lambda: _can_acquire(backend), seconds=0.5 + CLOCK_ALLOWANCE_SECONDS + 2)


def test_a_node_in_quarantine_is_not_new(tmp_path: Path, client: MakeClient) -> None:
    with running(3, tmp_path, trusted=False) as nodes:
        with pytest.raises(QuorumUnavailable):
            client(nodes).acquire("order:1", ttl=0.5)
        with pytest.raises(NodeNotNew, match="has been in use before"):
            nodes.mark_new()


def test_a_node_that_keeps_leases_is_not_new(nodes: Nodes, client: MakeClient) -> None:
    client(nodes).acquire("order:1", ttl=2.0)
    for node in nodes:
        with node.client() as plain:
            plain.delete(f"{PREFIX}:lock-node")
    with pytest.raises(NodeNotNew, match="keeps leases"):
        nodes.mark_new()


def test_nothing_is_marked_when_one_node_is_away(tmp_path: Path) -> None:
    with running(3, tmp_path, trusted=False) as nodes:
        nodes[2].kill()
        with pytest.raises(NodeNotNew, match="cannot be asked"):
            mark_ready(nodes.urls, prefix=PREFIX)
        assert nodes[0].keys("*") == nodes[1].keys("*") == []


def test_the_command_declares_new_nodes_once(tmp_path: Path, settings: LazySettings) -> None:
    with running(3, tmp_path, trusted=False) as nodes:
        settings.LOCK_REDIS_URLS = nodes.urls
        said = StringIO()
        call_command("mark_lock_nodes_new", stdout=said)
        assert "3 lock nodes may vote now" in said.getvalue()
        with pytest.raises(CommandError, match="votes by itself when its quarantine is over"):
            call_command("mark_lock_nodes_new")


def test_the_process_backend_comes_from_the_settings(
    tmp_path: Path, settings: LazySettings
) -> None:
    with running(3, tmp_path, trusted=False) as nodes:
        settings.LOCK_REDIS_URLS = nodes.urls
        call_command("mark_lock_nodes_new", stdout=StringIO())
        forget_backend()
        with single_flight("order:1") as held:
            assert held.remaining > settings.LOCK_TTL_SECONDS / 2
            with pytest.raises(LeaseBusy):
                get_backend().acquire("order:1", ttl=1.0)
        forget_backend()


@pytest.mark.parametrize(
    ("urls", "complaint"),
    [
        ([], "There is no lock node"),
        (["redis://10.0.0.1", "redis://:secret@10.0.0.1:6379/2"], "10.0.0.1:6379 is listed twice"),
    ],
)
def test_wrong_settings_are_named(settings: LazySettings, urls: list[str], complaint: str) -> None:
    settings.LOCK_REDIS_URLS = urls
    forget_backend()
    with pytest.raises(ImproperlyConfigured, match=complaint):
        get_backend()


def test_an_even_number_is_allowed_and_explained(caplog: pytest.LogCaptureFixture) -> None:
    urls = [f"redis://10.0.0.{n}" for n in range(4)]
    Redlock(urls, prefix=PREFIX, max_ttl=1.0, node_timeout=0.25).close()
    said = [r.getMessage() for r in caplog.records if "lock nodes" in r.getMessage()]
    assert said == ["4 lock nodes survive no more losses than 3 would: use an odd number"]
    Redlock(urls[:3], prefix=PREFIX, max_ttl=1.0, node_timeout=0.25).close()
    assert len([r for r in caplog.records if "lock nodes" in r.getMessage()]) == 1


@pytest.mark.parametrize("prefix", ["", "two words", "quote'", "back\\slash", "brace{"])
def test_a_prefix_that_scripts_cannot_carry_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="LOCK_KEY_PREFIX"):
        Redlock(["redis://10.0.0.1"], prefix=prefix, max_ttl=1.0, node_timeout=0.25)


def test_a_retention_shorter_than_the_quarantine_is_refused() -> None:
    with pytest.raises(ValueError, match="retention must exceed"):
        Redlock(["redis://10.0.0.1"], prefix="p", max_ttl=1.0, node_timeout=0.25, retention=2.5)


def test_a_url_that_is_none_is_named(client: MakeClient) -> None:
    with pytest.raises(ValueError, match="LOCK_REDIS_URLS"):
        Redlock(["http://10.0.0.1"], prefix="p", max_ttl=1.0, node_timeout=0.25)


def test_a_wrong_password_is_named_and_not_shown(tmp_path: Path, client: MakeClient) -> None:
    with running(1, tmp_path, "--requirepass", "right", trusted=False) as nodes:
        nodes[0].url = nodes[0].url.replace("//", "//:wrong@")
        with pytest.raises(QuorumUnavailable, match="invalid username-password pair") as failure:
            client(nodes).acquire("order:1", ttl=0.5)
        assert "wrong" not in str(failure.value).replace("WRONGPASS", "")


def test_a_password_and_a_unix_socket_work(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with running(1, tmp_path, "--requirepass", "right", "--unixsocket", str(path), trusted=False):
        urls = [f"unix://:right@{path}"]
        mark_ready(urls, prefix=PREFIX)
        backend = Redlock(urls, prefix=PREFIX, max_ttl=1.0, node_timeout=0.25)
        assert _can_acquire(backend)
        backend.close()


def test_ipv6_works(tmp_path: Path) -> None:
    with running(1, tmp_path, "--bind", "127.0.0.1", "::1", trusted=False) as nodes:
        urls = [nodes[0].url.replace("127.0.0.1", "[::1]")]
        mark_ready(urls, prefix=PREFIX)
        backend = Redlock(urls, prefix=PREFIX, max_ttl=1.0, node_timeout=0.25)
        assert _can_acquire(backend)
        backend.close()


def test_a_user_needs_no_more_rights_than_documented(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs/locking.md").read_text()
    rights = re.findall(r"`(\+@connection [^`]*)`|plus `([^`]*)`", text)
    words = " ".join(first or second for first, second in rights)
    user = f"locker on >right ~{PREFIX}:* &{PREFIX}:bell:* {words}"
    with running(1, tmp_path, "--user", *user.split(), trusted=False) as nodes:
        urls = [nodes[0].url.replace("//", "//locker:right@")]
        mark_ready(urls, prefix=PREFIX)
        backend = Redlock(urls, prefix=PREFIX, max_ttl=1.0, node_timeout=0.25)
        lease = backend.extend(backend.acquire("order:1", ttl=0.5))
        assert [seen.key for seen in backend.leases()] == ["order:1"]
        with pytest.raises(LeaseBusy):
            acquire_within(backend, "order:1", ttl=0.5, wait=0.05, clock=SYSTEM_CLOCK)
        assert backend.release(lease)
        lease = backend.acquire("order:1", ttl=0.5)
        told = Told()
        waiting = Redlock(urls, prefix=PREFIX, max_ttl=1.0, node_timeout=0.25, observer=told)
        thread = threading.Thread(target=acquire_within, args=(waiting, "order:1"), kwargs=PATIENT)
        thread.start()
        wait_until(lambda: 1 in [seen.waiting for seen in backend.leases()])
        backend.release(lease)
        thread.join(timeout=5)
        assert "handover" in told.operations, "it may not be called"
        waiting.close()
        backend.close()


def test_tls_works_and_a_stranger_is_refused(tmp_path: Path, client: MakeClient) -> None:
    certificate, key = tmp_path / "node.crt", tmp_path / "node.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=lock", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate)]
    options += ["--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with running(1, tmp_path, *options, "--tls-ca-cert-file", str(certificate)) as nodes:
        nodes[0].url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
        backend = client(nodes)
        for _ in range(20):
            assert _can_acquire(backend)
        nodes[0].url = f"rediss://127.0.0.1:{port}/0"
        with pytest.raises(QuorumUnavailable, match="self-signed certificate"):
            client(nodes).acquire("order:1", ttl=0.5)


def test_a_node_that_may_evict_is_refused(tmp_path: Path, client: MakeClient) -> None:
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with (
        running(1, tmp_path, *options, trusted=False) as nodes,
        pytest.raises(QuorumUnavailable, match="Set 'maxmemory-policy noeviction'"),
    ):
        client(nodes).acquire("order:1", ttl=0.5)


def test_one_server_under_two_names_is_one_node(nodes: Nodes, client: MakeClient) -> None:
    nodes[1].url = nodes[0].url.replace("127.0.0.1", "localhost")
    nodes[2].kill()
    with pytest.raises(QuorumUnavailable, match="same server as"):
        client(nodes).acquire("order:1", ttl=0.5)


@pytest.mark.parametrize("key", ["", "two words", "brace{", "new\nline", "x" * 201])
def test_a_bad_key_is_refused(nodes: Nodes, client: MakeClient, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        client(nodes).acquire(key, ttl=0.5)


@pytest.mark.parametrize("ttl", [0, -1, 0.001, 2.1])
def test_a_ttl_out_of_bounds_is_refused(nodes: Nodes, client: MakeClient, ttl: float) -> None:
    with pytest.raises(ValueError, match="LOCK_TTL_SECONDS"):
        client(nodes).acquire("order:1", ttl=ttl)
