"""Which addresses a webhook may lead to: public ones. A name is resolved once, and exactly what was checked is used."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from apps.errors import Refused

MAX_URL = 500
IP = ipaddress.IPv4Address | ipaddress.IPv6Address
# IPv6 that leads to an IPv4 address behind it.
TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::/96")]


class ForbiddenAddressError(OSError):
    """A webhook leads to where the platform sends nothing."""


@dataclass(frozen=True)
class Target:
    """A URL in parts. `path` is what the request line says."""

    is_https: bool
    host: str
    port: int
    path: str


def parse(url: str) -> Target:
    """The parts of a webhook's URL. Raises Refused("url_invalid") for what is none or is not to be sent to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" not in host:  # not an IPv6 address
            host = host.encode("idna").decode("ascii")
    except ValueError:
        raise _refused(url, "It can't be read as an address.") from None
    schemes = ("https", "http") if settings.WEBHOOK_ALLOW_PRIVATE else ("https",)
    if len(url) > MAX_URL:
        raise _refused(url, f"It has {len(url)} characters, at most {MAX_URL} are accepted.")
    if not re.fullmatch(r"[\x21-\x7e]+", url.replace(parts.hostname or "", "", 1)):
        raise _refused(url, "Write spaces and other characters that are not ASCII as %20 and the like.")
    if parts.scheme not in schemes:
        raise _refused(url, f"It must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
    if not host or port == 0:
        raise _refused(url, "It names no host and port.")
    if parts.username is not None or parts.password is not None:
        raise _refused(url, "Leave out the user and password: each message is signed instead.")
    if parts.fragment:
        raise _refused(url, "Leave out what comes after #: it is never sent.")
    is_https = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if (literal := _literal(host)) is not None and (why := why_forbidden(literal)):
        raise _refused(url, f"Its address is {why}, and messages go to public addresses only.")
    return Target(is_https, host, port or (443 if is_https else 80), path)


def resolve(host: str, port: int) -> str:
    """The address to connect to. Raises ForbiddenAddressError where any address of the name is not public: a name that
    has both kinds is made to get around this; OSError where the name has none."""
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for address in found:
        if why := why_forbidden(ipaddress.ip_address(address)):
            raise ForbiddenAddressError(
                f"{host} is at {address}, which is {why}. Messages go to public addresses only."
            )
    return min(found, key=lambda address: (":" in address, address))  # IPv4 first: it works everywhere


def why_forbidden(address: IP) -> str:
    """In words, why nothing is sent to an address; empty for a public one."""
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return "an IPv4 address within IPv6"
        if address.scope_id is not None:
            return "link-local"
    if address.is_loopback:
        return "this machine's own"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "for many receivers at once (multicast)"
    if any(address in net for net in TRANSLATED):
        return "an IPv4 address within IPv6"
    if address.is_reserved or address.is_unspecified:
        return "reserved"
    # What is left that is not global: private networks, shared ones (CGNAT, RFC 6598), those of documentation.
    return "" if address.is_global else "private or shared"


def _literal(host: str) -> IP | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(url: str, why: str) -> Refused:
    message = f"This can't be a webhook's address. {why} Received: {url[:100]!r}."
    return Refused("url_invalid", message, details=[{"field": "url", "message": message}])
