"""A connection to a public address only, with an end to all that happens on it.

Whoever may name a URL that this shop calls could name one behind its firewall (SSRF). So the name
is resolved here, each address is looked at, and the very address that was looked at is connected:
a name server that answers differently the second time is never asked a second time.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPv6 = ipaddress.IPv6Address


class PrivateAddress(Exception):
    """The name leads to an address inside a network, which is not called."""


def is_public(address: str) -> bool:
    """Whether packets to it leave for the internet. False for IPv4 that is wrapped in IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, _IPv6) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        # Nobody's endpoint needs these, and each can carry a private address.
        return False
    return ip.is_global and not ip.is_multicast


@contextmanager
def open_socket(
    host: str, port: int, *, tls: bool, private: bool, timeout_seconds: float
) -> Iterator[socket.socket]:
    """A connected socket, shut for good after ``timeout_seconds`` whatever the other side does.

    A timeout of the socket alone would begin anew with every byte, so a receiver that sends one a
    second would keep a worker for hours. Looking up the name is bounded by the system's resolver.
    Raises PrivateAddress unless ``private``; OSError.
    """
    until = time.monotonic() + timeout_seconds
    sock = _connect(host, port, private, until)
    timer: threading.Timer | None = None
    try:
        if tls:
            context = ssl.create_default_context()
            sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        timer = threading.Timer(max(0.0, until - time.monotonic()), _shut, [sock])
        timer.daemon = True
        timer.start()
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        yield sock
    finally:
        if timer is not None:
            timer.cancel()
        sock.close()


def _connect(host: str, port: int, private: bool, until: float) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    public = [entry for entry in found if private or is_public(str(entry[4][0]))]
    if not public:
        raise PrivateAddress(f"{host} leads to {found[0][4][0]}, which is no public address.")
    trouble = OSError(f"{host} has no address.")
    for family, kind, protocol, _, address in public:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.01, until - time.monotonic()))
            sock.connect(address)
        except OSError as error:
            sock.close()
            trouble = error
        else:
            return sock
    raise trouble


def _shut(sock: socket.socket) -> None:
    # Of the plain socket's: an SSLSocket's own would first forget the session that is being read.
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
