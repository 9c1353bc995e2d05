"""The OpenAPI document: the form of questions, a real example a route, problems as they are."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.problems import KINDS, MEDIA_TYPE
from service.schemas.actions import ACTION_EXAMPLE, ActionRequest
from service.schemas.enrolment import (
    ENROL_EXAMPLE,
    BoxIn,
    EnrolBatchRequest,
    EnrolRequest,
    KeypointIn,
    ViewIn,
)
from service.schemas.problem import FieldError, Problem
from service.schemas.query import EXAMPLE, CameraIn, FiltersIn, PlaneIn, QueryRequest

REF = "#/components/schemas/{model}"


def _form(
    image: dict[str, Any],
    request: type,
    examples: dict[str, Any],
    required: tuple[str, ...] = ("image",),
) -> dict[str, Any]:
    """A multipart form with ``image`` and the JSON ``request``; service.forms reads it, so FastAPI
    cannot say it."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": list(required),
                        "additionalProperties": False,
                        "properties": {
                            "image": image,
                            "request": {"$ref": REF.format(model=request.__name__)},
                        },
                    },
                    "encoding": {
                        "image": {"contentType": "image/jpeg, image/png, image/webp"},
                        "request": {"contentType": "application/json"},
                    },
                    "examples": examples,
                }
            },
        }
    }


IMAGE = {"type": "string", "format": "binary", "description": "A JPEG, PNG or WebP file."}

QUESTION_FORM = _form(
    IMAGE,
    QueryRequest,
    {"crop": {"value": {"image": "(the bytes of a file)", "request": EXAMPLE}}},
)
"""What a question about a crop takes."""

CLIP_FORM = _form(
    {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "format": "binary"},
        "description": "JPEG, PNG or WebP files in order of time, up to the "
        "server's POSEBANK_MAX_FRAMES.",
    },
    ActionRequest,
    {"clip": {"value": {"image": ["(a file)", "(a file)"], "request": ACTION_EXAMPLE}}},
)
"""What a question about a clip takes."""

ENROL_FORM = _form(
    IMAGE,
    EnrolRequest,
    {"view": {"value": {"image": "(the bytes of a file)", "request": ENROL_EXAMPLE}}},
    ("image", "request"),
)
"""What the enrolment of a view takes."""

BATCH_FORM = _form(
    {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "format": "binary"},
        "description": "JPEG, PNG or WebP files, one for each view, up to the server's "
        "POSEBANK_MAX_FRAMES.",
    },
    EnrolBatchRequest,
    {"views": {"value": {"image": ["(a file)"], "request": {"views": [ENROL_EXAMPLE]}}}},
    ("image", "request"),
)
"""What the enrolment of many views takes."""


def problems(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may refuse with these kinds of problem."""
    found: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        status, title = KINDS[slug]
        known = found.setdefault(
            status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        known["description"] = "; ".join(filter(None, [known["description"], f"{title} ({slug})"]))
    return found


QUESTION_PROBLEMS = problems(
    "malformed-form",
    "unknown-index",
    "body-too-large",
    "image-too-large",
    "not-multipart",
    "unsupported-image",
    "broken-image",
    "invalid-request",
    "unanswerable",
    "busy",
    "deadline",
    "draining",
    "not-ready",
)
"""Every refusal a question can meet."""

ENROL_PROBLEMS = problems(
    "malformed-form",
    "unknown-index",
    "view-exists",
    "body-too-large",
    "image-too-large",
    "not-multipart",
    "unsupported-image",
    "broken-image",
    "invalid-request",
    "busy",
    "deadline",
    "draining",
    "not-written",
    "not-ready",
    "storage-full",
)
"""Every refusal an enrolment can meet."""

DOOR = ("unauthenticated", "forbidden", "not-local", "rate-limited", "not-ready")
"""Refusals of every route that asks who calls."""


WRITTEN_OUT = (
    *(Problem, FieldError, QueryRequest, ActionRequest, CameraIn, PlaneIn, FiltersIn),
    *(EnrolRequest, EnrolBatchRequest, ViewIn, BoxIn, KeypointIn),
)
"""Models that no route's signature names."""


def install_openapi(app: FastAPI) -> None:
    """Makes ``app.openapi`` the document described above; it is made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for model in WRITTEN_OUT:
        schema = model.model_json_schema(ref_template=REF)
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    for methods in made["paths"].values():
        for operation in methods.values():
            if "security" in operation:
                _add_problems(operation["responses"], problems(*DOOR))
    examples = json.loads(files("service").joinpath("schemas/examples.json").read_text("utf-8"))
    for route, example in examples.items():
        method, path = route.split(" ")
        for status, response in made["paths"][path][method.lower()]["responses"].items():
            if status.startswith("2"):
                response["content"]["application/json"]["example"] = example
    return made


def _add_problems(responses: dict[str, Any], more: dict[int | str, dict[str, Any]]) -> None:
    """Adds refusals, whose description goes behind that of others with the same status."""
    for status, response in more.items():
        known = responses.setdefault(str(status), {**response, "description": ""})
        texts = [known["description"], response["description"]]
        known["description"] = "; ".join(dict.fromkeys(filter(None, texts)))
