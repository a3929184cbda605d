"""The endpoint as an ASGI app: FastAPI's routes and documentation, with the guard around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from knownat.params import ServingSettings
from knownat.serving import inference, page
from knownat.serving.endpoint import Endpoint
from knownat.serving.guard import Guard, Handler, Receive, Scope, Send
from knownat.serving.predictor import asked_in, predicted
from knownat.serving.problems import JSON, Answer, Refused, problem
from knownat.serving.schema import answers, body, components, example
from knownat.serving.server import cut_off_slow_clients
from knownat.serving.strict_json import loads

TEXT = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
HTML = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class App:
    """The guarded app; `server` is set by who runs it."""

    server: uvicorn.Server | None = None

    def __init__(self, settings: ServingSettings, key: str | None = None, *, checkout: bool = False) -> None:
        self.endpoint = Endpoint(settings, checkout=checkout)
        shortcuts: dict[tuple[str, str], Handler] = {
            ("POST", "/predict"): self.endpoint.predict,
            ("GET", "/features"): self.endpoint.features,
        }
        routes = _routes(self.endpoint, self._lifespan)
        self.guard = Guard(routes, shortcuts, self.endpoint.metrics, key, settings.max_concurrency)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.guard(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        endpoint = self.endpoint
        await endpoint.reader.probe()
        watchers = [endpoint.reader.watch(), endpoint.watch()]
        if self.server:
            watchers.append(cut_off_slow_clients(self.server))
        tasks = [asyncio.create_task(watcher) for watcher in watchers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            endpoint.close()


def _routes(endpoint: Endpoint, lifespan: Any) -> FastAPI:
    app = FastAPI(title="knownat", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    def serve(method: str, path: str, handler: Handler, description: dict[str, Any]) -> None:
        async def answered(request: Request) -> Response:
            return _response(await handler(request.scope, await request.body()))

        app.add_api_route(path, answered, methods=[method], openapi_extra=description, responses={}, name=handler.__name__)

    async def live(_: Scope, __: bytes) -> Answer:
        return 200, JSON, b'{"live":true}'

    async def ready(_: Scope, __: bytes) -> Answer:
        return await endpoint.ready()

    async def metrics(_: Scope, __: bytes) -> Answer:
        return 200, TEXT, endpoint.prometheus()

    async def openapi(_: Scope, __: bytes) -> Answer:
        return 200, JSON, orjson.dumps(described(app, endpoint))

    async def console(_: Scope, __: bytes) -> Answer:
        content, policy = page.html(endpoint)
        return 200, [*HTML, (b"content-security-policy", policy)], content

    async def status(_: Scope, __: bytes) -> Answer:
        return 200, JSON, orjson.dumps(page.status(endpoint), option=orjson.OPT_UTC_Z)

    async def server(_: Scope, __: bytes) -> Answer:
        return 200, JSON, orjson.dumps({"name": "knownat", "version": "0.1.0", "extensions": []})

    async def model(scope: Scope, _: bytes) -> Answer:
        _expect_model(endpoint, scope)
        return 200, JSON, orjson.dumps(inference.metadata(endpoint.live))

    async def model_ready(scope: Scope, _: bytes) -> Answer:
        _expect_model(endpoint, scope)
        return await endpoint.ready()

    async def infer(scope: Scope, sent: bytes) -> Answer:
        _expect_model(endpoint, scope)
        live, content = endpoint.live, loads(sent)
        asked, _, _ = asked_in(
            {"events": inference.events(live, content, endpoint.settings.max_batch)}, endpoint.settings.max_batch
        )
        found = await predicted(live, endpoint.reader, asked, endpoint.now())
        endpoint.note(live, found)
        told = inference.answer(live, found, endpoint.stands_on(live), content.get("id"))
        return 200, JSON, orjson.dumps(told, option=orjson.OPT_UTC_Z)

    yes = {"type": "object"}
    not_ready = {"503": {"description": "Not ready", "content": {"application/json": {"schema": yes}}}}
    of_entity = {"parameters": [_path("entity"), _path("key")]}
    of_model = {"parameters": [_path("name")]}
    inference_answers = answers({"$ref": "#/components/schemas/InferenceAnswer"}, 400, 404, 409, 413, 422, 503)
    serve("POST", "/predict", endpoint.predict, _ask(endpoint))
    serve("GET", "/features/{entity}/{key:path}", endpoint.features, of_entity | {"responses": answers(FEATURES, 404, 503)})
    serve("GET", "/lineage/{id}", endpoint.lineage, {"parameters": [_path("id")], "responses": answers(yes, 404, 503)})
    serve("GET", "/v2/health/live", live, {"responses": answers(yes)})
    serve("GET", "/v2/health/ready", ready, {"responses": answers(yes) | not_ready})
    serve("GET", "/v2", server, {"responses": answers(yes)})
    serve("GET", "/v2/models/{name}", model, of_model | {"responses": answers(yes, 404)})
    serve("GET", "/v2/models/{name}/ready", model_ready, of_model | {"responses": answers(yes, 404) | not_ready})
    inferring = of_model | {"requestBody": body("InferenceRequest"), "responses": inference_answers}
    serve("POST", "/v2/models/{name}/infer", infer, inferring)
    serve("GET", "/status", status, {"responses": answers(yes)})
    app.add_api_route("/metrics", _plain(metrics), methods=["GET"], include_in_schema=False)
    app.add_api_route("/openapi.json", _plain(openapi), methods=["GET"], include_in_schema=False)
    app.add_api_route("/", _plain(console), methods=["GET"], include_in_schema=False)
    app.add_exception_handler(HTTPException, _as_problem)
    app.add_exception_handler(RequestValidationError, _as_problem)
    app.add_exception_handler(Exception, _raised)
    return app


def _plain(handler: Handler) -> Any:
    async def answered(request: Request) -> Response:
        return _response(await handler(request.scope, b""))

    return answered


def _response(answer: Answer) -> Response:
    status, headers, content = answer
    return Response(content, status, {name.decode(): value.decode() for name, value in headers})


async def _as_problem(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 422)
    texts = {404: "There is nothing here; /openapi.json says what there is.", 405: "Not by this method; see /openapi.json."}
    return _response(problem(status, texts.get(status, "The request cannot be understood.")))


async def _raised(_: Request, error: Exception) -> Response:
    raise error


def _expect_model(endpoint: Endpoint, scope: Scope) -> None:
    name = scope["path_params"]["name"]
    if name != endpoint.live.service:
        raise Refused(404, f"There is no model '{name[:80]}' here; it is {endpoint.live.service}.")


def _ask(endpoint: Endpoint) -> dict[str, Any]:
    fields = example(endpoint.live.declaration, endpoint.live.request)
    examples = {
        "nobody has stored it": {"fields": fields, "explain": True},
        "stored and open": {"id": "1"},
        "batch": {"events": [{"fields": fields}]},
    }
    return {
        "requestBody": body("Ask", examples),
        "responses": answers({"$ref": "#/components/schemas/Answer"}, 400, 404, 409, 413, 422, 503),
    }


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


FEATURES = {
    "type": "object",
    "required": ["entity", "key", "as_of", "store_through", "features"],
    "properties": {
        "entity": {"type": "string"},
        "key": {"type": "string"},
        "as_of": {"type": "string", "format": "date-time"},
        "store_through": {"type": "string", "format": "date-time"},
        "features": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Feature"}},
    },
}


def described(app: FastAPI, endpoint: Endpoint) -> dict[str, Any]:
    """OpenAPI of the routes, with the schemas of the live model's declaration."""
    found = get_openapi(title="knownat", version="0.1.0", routes=app.routes, description="Predictions that say what they stand on.")
    schemas = components(endpoint.live, endpoint.settings) | {
        "InferenceRequest": inference.REQUEST,
        "InferenceAnswer": inference.ANSWER,
    }
    found["components"] = {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    for path in found["paths"].values():
        for operation in path.values():
            operation["security"] = [{}, {"key": []}]
            operation["responses"].pop("422" if "Problem" not in str(operation["responses"].get("422")) else "", None)
    return found
