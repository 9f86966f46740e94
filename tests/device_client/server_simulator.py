"""A Bantam server in memory: the device HTTP contract behind an httpx transport, signing with real TUF metadata.

    server = ServerSimulator()
    version = server.publish("digits", digits_model())
    client = device_client.initialize(server=server.url, api_key=server.key, transport=server.transport, …)

What a test wants to go wrong, it sets: `offline`, `break_after`, `file_tampering`, `storage`, `answers` …
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, Root, TargetFile, Targets  # type: ignore[attr-defined]
from tuf.api.serialization.json import JSONSerializer

STORAGE_HOST = "storage.test"


def in_days(days: float) -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)  # noqa: UP017 (runs on 3.10 too)


@dataclass
class Published:
    version: str
    content: bytes
    custom: dict[str, Any]


@dataclass
class ServerSimulator:
    url: str = "https://bantam.test"
    key: str = "dk_simulated"
    revision: int = 1
    expires: datetime = field(default_factory=lambda: in_days(7))
    published: dict[str, Published] = field(default_factory=dict)
    withheld: list[dict[str, Any]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    # What goes wrong
    offline: bool = False
    break_after: deque[int] = field(default_factory=deque)  # each file answer breaks after so many bytes
    storage: bool = False  # files come by a redirect to another host
    ranges: bool = True
    file_tampering: Callable[[bytes], bytes] = field(default=lambda content: content)
    manifest_tampering: Callable[[bytes], bytes] = field(default=lambda content: content)
    reject: Callable[[dict[str, Any]], dict[str, str] | None] = field(default=lambda event: None)
    answers: deque[httpx.Response | Exception] = field(default_factory=deque)  # instead of the next answers

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.root_signer = CryptoSigner.generate_ed25519()
        self.targets_signer = CryptoSigner.generate_ed25519()
        self.roots: list[bytes] = []
        self.add_root()

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    # What an operator does

    def publish(self, model: str, content: bytes, *, version: str | None = None, **custom: Any) -> str:
        """Offer `content` to every device. Returns the version's id."""
        version = version or str(uuid.uuid4())
        self.revision += 1
        before = self.published.get(model)
        self.published[model] = Published(
            version,
            content,
            {
                "model": model,
                "version": version,
                "number": before.custom["number"] + 1 if before else 1,
                "url": f"/api/device/v1/models/{version}/file",
                "rule": "default",
                "revision": self.revision,
                "routing": "device",
                "min_runtime": "2.17.0",
                "task": "classification",
                **custom,
            },
        )
        return version

    def add_root(self, *, new_root_key: bool = False, new_targets_key: bool = False) -> bytes:
        """Make the next root. With `new_root_key` it is signed by the old key and the new one."""
        signers = [self.root_signer]
        if new_root_key:
            self.root_signer = CryptoSigner.generate_ed25519()
            signers.append(self.root_signer)
        if new_targets_key:
            self.targets_signer = CryptoSigner.generate_ed25519()
        root = Root(version=len(self.roots) + 1, expires=self.expires + timedelta(days=365), consistent_snapshot=False)
        root.add_key(self.root_signer.public_key, Root.type)
        root.add_key(self.targets_signer.public_key, Targets.type)
        metadata = Metadata(root)
        for signer in signers:
            metadata.sign(signer, append=True)
        self.roots.append(metadata.to_bytes(JSONSerializer(compact=True)))
        return self.roots[-1]

    def manifest(self) -> bytes:
        extra = {"withheld": self.withheld} if self.withheld else {}
        targets = Targets(version=self.revision, expires=self.expires, unrecognized_fields=extra)
        for model, published in self.published.items():
            hashes = {"sha256": hashlib.sha256(published.content).hexdigest()}
            path = f"{model}/{published.version}.tflite"
            custom = {"custom": published.custom}
            targets.targets[path] = TargetFile(len(published.content), hashes, path, custom)
        metadata = Metadata(targets)
        metadata.sign(self.targets_signer)
        return metadata.to_bytes(JSONSerializer(compact=True))

    # What a test asks

    def count(self, part: str) -> int:
        """How many requests had `part` in their path."""
        return sum(part in request.url.path for request in self.requests)

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events.values() if event["type"] == kind]

    # The contract

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append(request)
            if self.offline:
                raise httpx.ConnectError("[Errno 101] Network is unreachable", request=request)
            if self.answers:
                answer = self.answers.popleft()
                if isinstance(answer, Exception):
                    raise answer
                return answer
            if request.url.host == STORAGE_HOST:
                return self._file(request, request.url.path.strip("/"), etag='"md5-of-storage"')
            if request.headers.get("Authorization") != f"Bearer {self.key}":
                return _error(401, "invalid_key", "The key is unknown or revoked.")
            match request.url.path.removeprefix("/api/device/v1/").split("/"):
                case ["manifest"]:
                    return self._manifest(request)
                case ["root", number] if 1 <= int(number) <= len(self.roots):
                    return httpx.Response(200, content=self.roots[int(number) - 1])
                case ["models", version, "file"] if self.storage:
                    return httpx.Response(302, headers={"Location": f"https://{STORAGE_HOST}/{version}?signature=abc"})
                case ["models", version, "file"]:
                    return self._file(request, version, etag=None)
                case ["events"]:
                    return self._events(request)
            return _error(404, "not_found", f"There is no {request.url.path}.")

    def _manifest(self, request: httpx.Request) -> httpx.Response:
        content = self.manifest_tampering(self.manifest())
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return httpx.Response(304, headers={"ETag": etag})
        return httpx.Response(200, content=content, headers={"ETag": etag})

    def _file(self, request: httpx.Request, version: str, etag: str | None) -> httpx.Response:
        content = next((p.content for p in self.published.values() if p.version == version), None)
        if content is None:
            return _error(404, "not_found", "There is no such version.")
        etag = etag or f'"{hashlib.sha256(content).hexdigest()}"'
        content = self.file_tampering(content)
        status, headers, start = 200, {"ETag": etag}, 0
        wanted = request.headers.get("Range")
        if wanted and self.ranges and request.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        headers["Content-Length"] = str(len(rest))
        breaks = self.break_after.popleft() if self.break_after else None
        return httpx.Response(status, headers=headers, stream=_Stream(rest, breaks, request))

    def _events(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        uuid.UUID(body["installation"])
        self.batches.append(len(body["events"]))
        assert len(body["events"]) <= 500
        assert len(request.content) <= 1024 * 1024
        accepted = duplicates = 0
        rejected = []
        for index, event in enumerate(body["events"]):
            assert event.keys() == {"id", "type", "model", "version", "occurred_at", "data"}
            problem = self.reject(event)
            if problem is not None:
                rejected.append({"index": index, "id": event["id"], **problem})
            elif event["id"] in self.events:
                duplicates += 1
            else:
                self.events[event["id"]] = event
                accepted += 1
        return httpx.Response(202, json={"accepted": accepted, "duplicates": duplicates, "rejected": rejected})


class _Stream(httpx.SyncByteStream):
    def __init__(self, content: bytes, breaks: int | None, request: httpx.Request) -> None:
        self._content, self._breaks, self._request = content, breaks, request

    def __iter__(self) -> Iterator[bytes]:
        sent = self._content if self._breaks is None else self._content[: self._breaks]
        for start in range(0, len(sent), 1000):
            yield sent[start : start + 1000]
        if self._breaks is not None:
            raise httpx.ReadError("connection reset by peer", request=self._request)


def streamed(status: int, content: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    """An answer whose body has not been read, as from a network."""
    return httpx.Response(status, headers=headers, stream=_Stream(content, None, httpx.Request("GET", "https://x")))


def _error(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message, "details": []}})
