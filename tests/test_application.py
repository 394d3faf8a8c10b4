"""What the server answers at which address, asked in this process; tests/test_serving.py asks a process of its own."""

import asyncio
import json

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="`make serve` and `make test` install FastAPI and uvicorn into .venv")

import httpx

from helpers import application, forms, predicting

pytestmark = pytest.mark.once  # what answers needs neither backend

KEY = "a-key-of-some-length"
SECRET = "Geheim-42"


def answer(texts):
    """Probabilities of a model that knows numbers only, and says in its error what it was asked."""
    return np.array([[1 - float(text), float(text)] for text in texts])


def service(key=None, **limits):
    model = predicting.Model(("schlecht", "gut"), answer)
    return application.Service(model, "mine", forms.Limits(**limits), threads=1, key=key)


def ask(served, *requests, **headers):
    """The answers to requests (method, address, body), one after the other."""
    door = application.Door(application.make_app(served), served)

    async def all_of_them():
        transport = httpx.ASGITransport(door)
        async with httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers) as client:
            return [await client.request(method, address, content=body) for method, address, body in requests]

    return asyncio.run(all_of_them())


def refusals(served):
    """Reason -> number, of those that were counted."""
    return {
        sample.labels["reason"]: sample.value
        for family in served.gauges.registry.collect()
        for sample in family.samples
        if sample.name == "course_refusals_total" and sample.value
    }


PREDICT, INFER = "/v1/models/mine:predict", "/v2/models/mine/infer"
TEXTS = b'{"instances": ["0.75", "<b>0.5</b>"]}'
TENSOR = json.dumps({"inputs": [{"name": "texts", "shape": [1], "datatype": "BYTES", "data": ["0.75"]}]}).encode()


def test_both_protocols_give_the_models_answers():
    found = ask(
        service(),
        ("POST", PREDICT, TEXTS),
        ("POST", "/v1/models/mine/versions/1:predict", b'{"inputs": ["0.25"]}'),
        ("POST", INFER, TENSOR),
        ("POST", "/v2/models/mine/versions/1/infer", TENSOR),
    )
    assert found[0].json() == {"predictions": [[0.25, 0.75], [0.5, 0.5]]}
    assert found[1].json() == {"outputs": [[0.75, 0.25]]}
    assert [output["data"] for output in found[2].json()["outputs"]] == [[0.25, 0.75], ["gut"]]
    assert found[3].json() == found[2].json()


def test_health_and_metadata_are_there_and_a_server_that_ends_is_not_ready():
    served = service()
    addresses = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/mine", "/v2/models/mine/ready"]
    addresses += ["/v2/models/mine/versions/1/ready", "/v1/models/mine", "/v1/models/mine/metadata", "/metrics", "/"]
    requests = [("GET", address, None) for address in addresses]
    assert [found.status_code for found in ask(served, *requests)] == [200] * len(addresses)
    served.draining = True
    found = dict(zip(addresses, ask(served, *requests), strict=True))
    late = {address for address, answered in found.items() if answered.status_code == 503}
    assert late == {address for address in addresses if address.endswith("/ready")}
    assert all(answered.headers["connection"] == "close" for answered in found.values())


def test_an_address_that_is_not_there_says_where_to_look():
    served = service()
    wrong = [
        ("GET", f"/v2/models/{SECRET}", None),
        ("POST", f"/v1/models/{SECRET}:predict", TEXTS),
        ("GET", PREDICT, None),
    ]
    wrong += [("GET", "/docs", None), ("POST", "/v1/models/mine/versions/2:predict", TEXTS)]
    found = ask(served, *wrong)
    assert [answered.status_code for answered in found] == [404, 404, 405, 404, 404]
    assert all("The model is mine" in answered.json()["error"] and SECRET not in answered.text for answered in found)
    assert refusals(served) == {"address": 5}


def test_no_other_site_may_read_and_nothing_is_guessed_from_content():
    served = service()
    page, answered, options = ask(
        served, ("GET", "/", None), ("POST", PREDICT, TEXTS), ("OPTIONS", PREDICT, None), origin="http://elsewhere"
    )
    for found in (page, answered, options):
        assert not [name for name in found.headers if name.startswith("access-control")]
        assert found.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_errors_have_their_status_and_are_counted():
    served = service(body=200, texts=2, characters=6)
    long = b'{"instances": ["' + SECRET.encode() + b'"]}'
    found = ask(
        served,
        ("POST", PREDICT, b"{"),
        ("POST", PREDICT, long),
        ("POST", INFER, b"x" * 201),
        ("POST", PREDICT, b'{"instances": []}'),
    )
    assert [answered.status_code for answered in found] == [400, 413, 413, 400]
    assert SECRET not in "".join(answered.text for answered in found)
    assert refusals(served) == {"form": 2, "too long": 2}


def test_tensors_in_binary_form_are_refused_with_the_remedy():
    (found,) = ask(service(), ("POST", INFER, TENSOR + b"\1\0\0\0a"), **{"inference-header-content-length": "99"})
    assert found.status_code == 400 and "binary_data=False" in found.json()["error"]


def test_an_error_of_the_model_tells_nobody_the_text(caplog):
    served = service()
    body = json.dumps({"instances": [SECRET]}).encode()
    door = application.Door(application.make_app(served), served)

    async def send():
        transport = httpx.ASGITransport(door, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.post(PREDICT, content=body)

    found = asyncio.run(send())
    assert found.status_code == 500 and SECRET not in found.text
    assert [record.getMessage().split(",")[0] for record in caplog.records if record.name == "helpers.application"] == [
        "ValueError in test_application.py"
    ]
    assert SECRET not in caplog.text and refusals(served) == {"failed": 1}


# ---- the key


def test_with_a_key_only_the_page_and_health_are_open():
    requests = [("POST", PREDICT, TEXTS), ("POST", INFER, TENSOR), ("GET", "/metrics", None), ("GET", "/v2", None)]
    requests += [("GET", "/v2/health/live", None), ("GET", "/v2/health/ready", None), ("GET", "/", None)]
    for given in ("", KEY, f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", f"Basic {KEY}", "Bearer ä".encode()):
        served = service(key=KEY)
        found = ask(served, *requests, authorization=given)
        assert [answered.status_code for answered in found] == [401] * 4 + [200] * 3, given
        assert found[0].headers["www-authenticate"] == "Bearer" and refusals(served) == {"key": 4}
    found = ask(service(key=KEY), *requests, authorization=f"Bearer {KEY}")
    assert [answered.status_code for answered in found] == [200] * 7


def test_the_key_is_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(application.hmac, "compare_digest", lambda *both: compared.append(both) or False)
    (found,) = ask(service(key=KEY), ("GET", "/v2", None), authorization=f"Bearer {KEY}")
    assert found.status_code == 401 and compared == [(KEY.encode(), KEY.encode())]


# ---- the page


def test_the_page_answers_a_plain_form():
    served = service()
    (found,) = ask(served, ("POST", "/", b"text=%3Cb%3E0.75%3C%2Fb%3E"))
    assert found.status_code == 200 and found.headers["content-type"].startswith("text/html")
    assert found.text.index('>gut</th><td class="number">75.0%') < found.text.index(
        '>schlecht</th><td class="number">25.0%'
    )
    assert "&lt;b&gt;0.75&lt;/b&gt;</textarea>" in found.text and "<b>" not in found.text
    assert found.headers["cache-control"] == "no-store"


def test_the_page_says_what_is_wrong_without_the_text():
    served = service(characters=5)
    (found,) = ask(served, ("POST", "/", f"text={SECRET}".encode()))
    assert found.status_code == 413 and "more than 5 characters" in found.text and SECRET not in found.text
    assert refusals(served) == {"too long": 1}


def test_the_pages_key_is_a_field_of_its_form():
    served = service(key=KEY)
    right, wrong, none = ask(
        served, ("POST", "/", f"text=1&key={KEY}".encode()), ("POST", "/", b"text=1&key=x"), ("POST", "/", b"text=1")
    )
    assert (right.status_code, wrong.status_code, none.status_code) == (200, 401, 401)
    assert KEY not in right.text and "wants its key" in wrong.text and refusals(served) == {"key": 2}


# ---- OpenAPI


def references(part):
    """All references within a document."""
    if isinstance(part, dict):
        return [value for name, value in part.items() if name == "$ref"] + [
            r for p in part.values() for r in references(p)
        ]
    return [r for p in part for r in references(p)] if isinstance(part, list) else []


def test_openapi_describes_the_bodies_and_each_reference_leads_somewhere():
    (found,) = ask(service(), ("GET", "/openapi.json", None))
    document = found.json()
    assert {PREDICT, INFER, "/metrics"} <= set(document["paths"])
    assert len(set(references(document))) >= 4
    for reference in references(document):
        part = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
    assert set(document["components"]["schemas"]["Predict"]["properties"]) == {"instances", "inputs"}
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
