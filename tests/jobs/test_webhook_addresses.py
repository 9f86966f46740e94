"""Where webhooks may lead to: what is refused when one is made, and when a name is resolved."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from apps.errors import Refused
from apps.jobs.notices import posting
from apps.jobs.notices.addresses import parse
from apps.jobs.notices.posting import post

FORBIDDEN = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
    "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_not_public_is_refused_when_the_webhook_is_made(address):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused, match="public addresses only") as refused:
        parse(f"https://{host}/hook")
    assert refused.value.details[0]["field"] == "url"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "must begin with https://"),
        ("ftp://hooks.example/", "must begin with https://"),
        ("hooks.example", "must begin with https://"),
        ("https:///path", "names no host"),
        ("https://user:word@hooks.example/", "user and password"),
        ("https://hooks.example/#part", "after #"),
        ("https://hooks.example/a b", "not ASCII"),
        ("https://hooks.example/\r\nX: y", "not ASCII"),
        ("https://hooks.example:99999/", "can't be read"),
        ("https://[::1/", "can't be read"),
        ("https://" + "a" * 64 + ".example/", "can't be read"),
        ("https://hooks.example/" + "a" * 500, "at most 500"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url, why):
    with pytest.raises(Refused, match=r"can't be a webhook's address") as refused:
        parse(url)
    assert why in refused.value.message


@pytest.mark.parametrize("url", ["https://hooks.example/a?b=c", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/"])
def test_public_addresses_are_taken(url):
    assert parse(url).is_https


def test_a_name_that_leads_to_this_machine_is_not_sent_to():
    answer = post("https://localhost/", {}, b"{}")
    assert answer.status is None
    assert "this machine's own" in answer.text


def test_a_name_that_nobody_has_is_said():
    assert post("https://nobody.invalid/", {}, b"{}").text.startswith("The address's name was not found: ")


def test_a_name_with_one_forbidden_address_among_its_addresses_is_not_sent_to(monkeypatch):
    found = [(2, 1, 6, "", (ip, 443)) for ip in ("8.8.8.8", "169.254.169.254")]
    monkeypatch.setattr("apps.jobs.notices.addresses.socket.getaddrinfo", lambda *args, **more: found)
    assert "link-local" in post("https://rebinding.example/", {}, b"{}").text


@pytest.fixture
def tls_server(tmp_path, settings, monkeypatch):
    """An https receiver for the name hooks.example, with a certificate of its own that posting trusts."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-keyout", key, "-out", certificate, "-subj", "/CN=hooks.example",
         "-addext", "subjectAltName=DNS:hooks.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda socket, name, context: seen.append(f"SNI {name}")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *args: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(posting, "_tls", lambda: trusting)
    yield server.server_port, seen
    server.shutdown()
    server.server_close()


def test_a_name_is_resolved_once_and_keeps_its_host_sni_and_certificate(tls_server, monkeypatch):
    port, seen = tls_server
    asked: list[str] = []

    def resolve(host: str, port: int) -> str:
        asked.append(host)
        return "127.0.0.1"

    monkeypatch.setattr(posting, "resolve", resolve)
    assert post(f"https://hooks.example:{port}/", {}, b"{}").status == 204
    assert asked == ["hooks.example"]
    assert seen == ["SNI hooks.example", f"hooks.example:{port}"]
    wrong = post(f"https://other.example:{port}/", {}, b"{}")
    assert wrong.status is None
    assert "CERTIFICATE_VERIFY_FAILED" in wrong.text


def test_nothing_goes_through_a_proxy_of_the_environment(monkeypatch, settings):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert not hasattr(http.client.HTTPConnection("x"), "proxies")
    settings.WEBHOOK_ALLOW_PRIVATE = True
    assert "Connection refused" in post("http://127.0.0.1:1/", {}, b"{}").text
