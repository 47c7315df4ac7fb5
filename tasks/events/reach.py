"""Why a broker cannot be reached, in words that say what to do."""

import socket

from tasks.events.address import Address

_TIMEOUT_SECONDS = 2.0


def why_unreachable(address: Address) -> str:
    """Empty when some host takes a connection; else what is wrong with the last one tried."""
    reason = ""
    for host, port in address.hosts:
        reason = _why(host, port)
        if not reason:
            return ""
    return reason


def _why(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS).close()
    except socket.gaierror as error:
        return f"the host '{host}' is not known ({error.strerror}): check EVENT_SINK_URL"
    except ConnectionRefusedError:
        return f"nothing listens at {host}:{port}: is the broker running, is the port right?"
    except OSError as error:
        return f"{host}:{port} cannot be reached ({error})"
    return ""


def refused_login(address: Address, said: str) -> str:
    """The broker is there and does not let us in."""
    who = f"the user '{address.user}'" if address.user else "a connection without a user"
    return f"the broker refuses {who} ({said}): check the credentials in EVENT_SINK_URL"
