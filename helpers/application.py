"""Lesson 12: what a server answers at which address: the two protocols, the page, health, counts; and all errors.

Texts are in no log and in no error.
"""

import hmac
import logging
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers import forms, gauges, page, predicting, protocols, workers

try:
    from fastapi import APIRouter, Depends, FastAPI, Request
    from fastapi.responses import HTMLResponse, JSONResponse, Response
    from pydantic.json_schema import models_json_schema
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error.name} is not installed. `make serve` installs what the server needs.") from error

LOG = logging.getLogger("helpers.application")


async def wait_for_hanging_up(request: Request) -> None:
    """End when the client closes its connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


# ---- what is answered


class Service:
    """A model behind addresses: each method without `_` that takes a request answers one kind of it."""

    def __init__(self, model: predicting.Model, name: str, limits: forms.Limits, threads: int, key: str | None = None):
        platform = "onnx_onnxv1" if isinstance(model.answer, predicting.OnnxModel) else "bag_of_words"
        self.served = protocols.Served(name, platform, tuple(model.labels))
        self.limits, self.key, self.draining = limits, key, False
        self.workers = workers.Workers(model, threads, limits)
        self.gauges = gauges.Gauges(model.labels, lambda: self.workers.held)

    def check_key(self, given: str) -> None:
        """Raise Refused (401) unless this is the key, or there is none; the time that takes says nothing of the key."""
        if self.key and not hmac.compare_digest(given.encode(), self.key.encode()):
            raise forms.Refused(401, "key", "This server wants its key.", {"WWW-Authenticate": "Bearer"})

    async def check_header(self, request: Request) -> None:
        """The same for a key that stands in the header Authorization."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        self.check_key(given.strip() if kind.lower() == "bearer" else "")

    async def _read(self, request: Request) -> bytes:
        """A request's body; refused before it is read where there is no place for it."""
        self.workers.check_place()
        return await forms.read_body(request.stream(), request.headers.get("content-length"), self.limits)

    async def _answer(self, texts: Sequence[str], request: Request, protocol: str) -> np.ndarray:
        """Probabilities (texts, classes), counted."""
        forms.check_texts(texts, self.limits)
        started = time.perf_counter()
        found, tokens = await self.workers.answer(texts, lambda: wait_for_hanging_up(request))
        self.gauges.count_answer(protocol, time.perf_counter() - started, tokens, found)
        return found

    async def predict(self, request: Request):
        """Probabilities, as TensorFlow Serving gives them."""
        form = forms.parse(forms.Predict, await self._read(request))
        return JSONResponse(protocols.predictions(form, await self._answer(form.texts, request, "v1")))

    async def status(self):
        """Whether the model is there, as TensorFlow Serving says it."""
        return JSONResponse(protocols.status(self.served))

    async def signature(self):
        """What the model takes and gives, as TensorFlow Serving says it."""
        return JSONResponse(protocols.signature(self.served))

    async def infer(self, request: Request):
        """Probabilities and labels, as the Open Inference Protocol gives them."""
        if (
            "inference-header-content-length" in request.headers
        ):  # an extension of the protocol, and its clients' default
            raise forms.Refused(400, "form", "Send tensors as JSON, not in binary form (binary_data=False).")
        form = forms.parse(forms.Infer, await self._read(request))
        found = await self._answer(form.texts, request, "v2")
        return JSONResponse(protocols.inference(self.served, form, found))

    async def metadata(self):
        """What the model takes and gives, as the Open Inference Protocol says it."""
        return JSONResponse(protocols.metadata(self.served))

    async def server(self):
        """Who answers."""
        return JSONResponse(protocols.server())

    async def live(self):
        """Whether the process is well."""
        return JSONResponse({"live": True})

    async def ready(self):
        """Whether it takes requests: not when it is about to end, so that a load balancer asks another one."""
        return JSONResponse({"ready": not self.draining}, 503 if self.draining else 200)

    async def model_ready(self):
        """The same for a model."""
        ready = not self.draining
        return JSONResponse({"name": self.served.name, "ready": ready}, 200 if ready else 503)

    async def metrics(self):
        """The counts, for Prometheus."""
        return Response(self.gauges.text(), media_type=gauges.FORMAT)

    async def show_page(self):
        """The page."""
        return self._page()

    async def answer_page(self, request: Request):
        """The page with the answer to its form."""
        try:
            fields = forms.parse_page(await self._read(request))
            self.check_key(fields.get("key", ""))
            text = fields["text"].replace("\r\n", "\n")
            (found,) = await self._answer([text], request, "page")
        except forms.Refused as refused:
            self.gauges.count_refusal(refused.reason)
            return self._page(refused.status, refused.headers, error=str(refused))
        return self._page(text=text, answer=page.table(self.served.labels, found.tolist()))

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **parts: str):
        """The page as an answer."""
        text = page.write(self.served.name, self.limits.characters, bool(self.key), **parts)
        return HTMLResponse(text, status, page.HEADERS | (headers or {}))


def body_of(form: type[forms.Form]) -> dict:
    """What OpenAPI says of a request that is read by hand: its body's form."""
    schema = {"$ref": f"#/components/schemas/{form.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def route(service: Service) -> tuple[APIRouter, APIRouter]:
    """The addresses that want the key, and those that do not: the page, which has a field for it, and health."""
    guarded, opened = APIRouter(dependencies=[Depends(service.check_header)]), APIRouter()
    for version in ("", f"/versions/{protocols.VERSION}"):
        v1, v2 = (f"/{protocol}/models/{service.served.name}{version}" for protocol in ("v1", "v2"))
        guarded.add_api_route(f"{v1}:predict", service.predict, methods=["POST"], openapi_extra=body_of(forms.Predict))
        guarded.add_api_route(f"{v2}/infer", service.infer, methods=["POST"], openapi_extra=body_of(forms.Infer))
        guarded.add_api_route(f"{v1}/metadata", service.signature)
        guarded.add_api_route(v1, service.status)
        guarded.add_api_route(f"{v2}/ready", service.model_ready)
        guarded.add_api_route(v2, service.metadata)
    guarded.add_api_route("/v2", service.server)
    guarded.add_api_route("/metrics", service.metrics)
    opened.add_api_route("/v2/health/live", service.live)
    opened.add_api_route("/v2/health/ready", service.ready)
    opened.add_api_route("/", service.show_page, include_in_schema=False)
    opened.add_api_route("/", service.answer_page, methods=["POST"], include_in_schema=False)
    return guarded, opened


def make_app(service: Service) -> FastAPI:
    """The application: addresses, errors as both protocols have them, OpenAPI at /openapi.json."""
    app = FastAPI(title=service.served.name, version=protocols.VERSION, docs_url=None, redoc_url=None)
    for router in route(service):
        app.include_router(router)

    async def refuse(_: Request, refused: forms.Refused):
        """A refusal, counted."""
        service.gauges.count_refusal(refused.reason)
        return JSONResponse({"error": str(refused)}, refused.status, refused.headers)

    async def refuse_address(_: Request, error: HTTPException):
        """An address or a method that is not there."""
        service.gauges.count_refusal("address")
        text = f"{error.detail}. The model is {service.served.name}, version {protocols.VERSION}; see /openapi.json."
        return JSONResponse({"error": text}, error.status_code, error.headers)

    app.add_exception_handler(forms.Refused, refuse)
    app.add_exception_handler(HTTPException, refuse_address)
    _, schemas = models_json_schema(
        [(form, "validation") for form in (forms.Predict, forms.Infer)], ref_template="#/components/schemas/{model}"
    )
    app.openapi().setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
    return app


class Door:
    """What stands between uvicorn and the application: headers for all answers, and errors that say nothing of a text."""

    def __init__(self, app: FastAPI, service: Service):
        self.app, self.service = app, service

    async def __call__(self, scope, receive, send) -> None:
        """Let the application answer."""

        async def send_with_headers(message) -> None:
            """Send, with the headers before the answer."""
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
                if self.service.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            self.service.gauges.count_refusal("hung up")
        except Exception as error:  # the client has its 500 already; the message could hold a text, so it is not told
            self.service.gauges.count_refusal("failed")
            place = traceback.extract_tb(error.__traceback__)[-1]
            LOG.error("%s in %s, line %s", type(error).__name__, Path(place.filename).name, place.lineno)
