"""From initialize() to an event on the server, in one go."""

from __future__ import annotations

from tests.device_client.model_files import LABELS, digits_model


def test_a_device_gets_its_model_predicts_and_reports(server, make_client, image):
    version = server.publish("digits", digits_model())
    client = make_client(user={"plan": "paid"})
    digits = client.model("digits")
    assert not digits.ready

    loaded = digits.wait(timeout=5)
    assert (loaded.id, loaded.number, loaded.length) == (version, 1, len(digits_model()))

    prediction = digits.predict(image=image)
    assert prediction.label in LABELS
    assert prediction.score == max(prediction.scores.values())
    assert abs(sum(prediction.scores.values()) - 1) < 1e-5
    assert (prediction.model, prediction.version) == ("digits", version)
    digits.feedback(prediction, correct="7")

    assert client.flush() == 5
    assert [event["type"] for event in server.events.values()] == [
        "assigned",
        "downloaded",
        "loaded",
        "inferred",
        "feedback",
    ]
    assert {event["model"] for event in server.events.values()} == {"digits"}
    assert {event["version"] for event in server.events.values()} == {version}
    inferred = server.events[prediction.id]
    assert inferred["data"]["label"] == prediction.label
    assert inferred["data"]["score"] == prediction.score
    assert server.events_of("feedback")[0]["data"] == {
        "prediction": prediction.id,
        "label": prediction.label,
        "correct": "7",
    }
    assert client.pending_events == 0


def test_the_manifest_request_says_what_the_contract_asks_for(server, make_client):
    server.publish("digits", digits_model())
    client = make_client(user={"plan": "paid", "beta": True})
    client.model("digits").wait(timeout=5)
    query = dict(server.requests[0].url.params)
    assert query["installation"] == client.installation
    assert query["app_version"] == "2.3.0"
    assert query["runtime_version"] == "2.22.0"
    assert query["user.plan"] == "paid"
    assert query["user.beta"] == "true"
    assert query["platform"] == "linux"
    assert int(query["ram_mb"]) > 100
    assert int(query["cpu_cores"]) >= 1


def test_the_next_start_needs_no_server(server, make_client, image):
    server.publish("digits", digits_model())
    first = make_client()
    expected = first.model("digits").wait(timeout=5)
    answer = first.model("digits").predict(image=image)
    first.close()

    server.offline = True
    second = make_client()
    digits = second.model("digits")
    assert digits.version == expected
    assert digits.predict(image=image).scores == answer.scores
    assert second.installation == first.installation
