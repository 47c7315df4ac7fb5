"""Ports of a private stack."""

import pytest

from ops.stack import ports
from ops.stack.errors import StackError


def everything_free(_: int) -> bool:
    return True


def test_every_name_gets_a_port_of_its_own() -> None:
    chosen = ports.choose(["a", "b", "c", "d"], {}, everything_free)
    assert len(set(chosen.values())) == 4
    assert all(port in ports.CANDIDATES for port in chosen.values())


def test_remembered_ports_are_kept_while_they_are_free() -> None:
    remembered = {"a": 20_001, "b": 20_002}
    assert ports.choose(["a", "b"], remembered, everything_free) == remembered


def test_only_the_port_that_somebody_else_took_is_chosen_again() -> None:
    chosen = ports.choose(["a", "b"], {"a": 20_001, "b": 20_002}, lambda port: port != 20_001)
    assert chosen["a"] not in {20_001, 20_002}
    assert chosen["b"] == 20_002


def test_two_parts_that_remember_the_same_port_are_separated() -> None:
    chosen = ports.choose(["a", "b"], {"a": 20_001, "b": 20_001}, everything_free)
    assert chosen["a"] != chosen["b"]


def test_no_port_is_taken_from_the_range_of_outgoing_connections() -> None:
    """The kernel hands out 32768 and up; a server that restarts must find its port again."""
    assert ports.CANDIDATES.stop <= 32_768


def test_a_machine_without_free_ports_is_told_so() -> None:
    with pytest.raises(StackError, match="No free port"):
        ports.choose(["a"], {}, lambda _: False)
