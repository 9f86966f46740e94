"""Publish → manifest → file → events → figures, over the HTTP contract."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import uuid4

import httpx
from tuf.api.metadata import Metadata, Root, Targets  # type: ignore[attr-defined]


def test_from_publishing_to_the_figures(api_of, project, server_key, device_key, version):
    team, device = api_of(server_key), api_of(device_key)
    api = f"/api/v1/projects/{project.pk}"
    body = {"model": str(version.model_id), "version": str(version.pk), "note": "first"}
    published = team.post(f"{api}/deployments", body)
    assert published.status_code == 201, published.content
    assert published.json()["current"]["version"]["id"] == str(version.pk)

    installation = str(uuid4())
    query = {"installation": installation, "app_version": "2.3.0", "runtime_version": "2.20.0", "platform": "linux"}
    answer = device.get("/api/device/v1/manifest", query)
    assert answer.status_code == 200, answer.content
    root = Metadata[Root].from_bytes(device.get("/api/device/v1/root/1").content)
    root.verify_delegate(Root.type, root)
    targets = Metadata[Targets].from_bytes(answer.content)
    root.verify_delegate(Targets.type, targets)
    (target,) = targets.signed.targets.values()
    assert target.path == f"digits/{version.pk}.tflite"

    file = device.get(target.custom["url"])
    content = b"".join(file.streaming_content) if file.streaming else httpx.get(file["Location"]).content
    assert hashlib.sha256(content).hexdigest() == target.hashes["sha256"]

    events = [
        {
            "id": str(uuid4()),
            "type": kind,
            "model": "digits",
            "version": str(version.pk),
            "occurred_at": datetime.now(UTC).isoformat(),
            "data": data,
        }
        for kind, data in [
            ("downloaded", {}),
            ("loaded", {}),
            ("inferred", {"latency_ms": 0.25, "label": "7", "score": 0.9}),
            ("feedback", {"label": "7", "correct": "7"}),
        ]
    ]
    for accepted, duplicates in [(4, 0), (0, 4)]:
        receipt = device.post("/api/device/v1/events", {"installation": installation, "events": events})
        assert receipt.status_code == 202, receipt.content
        assert receipt.json() == {"accepted": accepted, "duplicates": duplicates, "rejected": []}

    figures = team.get(f"{api}/analytics/versions/{version.pk}").json()
    assert figures["events"]["inferred"] == figures["events"]["feedback"] == 1
    assert figures["feedback"] == {
        **{"count": 1, "correct": 1, "accuracy": 1.0},
        **{"measured": 0, "mean_absolute_error": None},
    }
    assert figures["latency_ms"] == {"p50": 0.25, "p95": 0.25}
    assert figures["installations"] == 1
    assert figures["confusion_matrix"] == {"labels": ["7"], "matrix": [[1]]}
    (seen,) = team.get(f"{api}/installations").json()["results"]
    assert seen["installation"] == installation
    assert [(model["model"], model["state"]) for model in seen["models"]] == [("digits", "inferred")]
