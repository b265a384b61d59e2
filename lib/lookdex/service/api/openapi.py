"""The API as OpenAPI 3.1, with the published schemas of options and answers, and examples."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI

from lookdex.imaging.formats import MEDIA_TYPES
from lookdex.search.answer.json_schema import public_form
from lookdex.search.query import options
from lookdex.service.http.problems import Problem
from lookdex.service.photos.uploads import BYTES

_OPTIONS = "#/components/schemas/Options"
_DESCRIPTION = """\
Search a shop's catalogue by photo: every object in the photo, with the most similar products of each.

Each answer comes from a single release of the catalogue. Errors are problem documents (RFC 9457). A 503 has a
`Retry-After` header. The service answers with a problem and closes the connection if a request is not HTTP/1.1 (400),
too slow (408), or has a too large header (431), a chunked body with a framing overhead of more than 16 KiB plus an
eighth of the body (400), a transfer coding other than `chunked` (501), or an expectation other than `100-continue`
(417). If the service requires a token, send `Authorization: Bearer <token>`.
"""

EXAMPLES: dict[str, dict[str, Any]] = {
    "everything": {"summary": "Every object, three products each", "value": {"k": 3}},
    "filtered": {"summary": "With a filter", "value": {"k": 5, "where": "price < 50"}},
    "box": {"summary": "Only what is in a box", "value": {"box": [120, 200, 420, 640]}},
    "text": {
        "summary": "Like this, but in red",
        "value": {"object": 0, "text": "in red", "text_weight": 0.6},
    },
}

SEARCH: dict[str, Any] = {
    "parameters": [
        {
            "name": "options",
            "in": "query",
            "description": "Options when the body is the photo itself. A form has a field of this name instead.",
            "content": {
                "application/json": {
                    "schema": {"$ref": _OPTIONS},
                    "examples": EXAMPLES,
                }
            },
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "additionalProperties": False,
                    "properties": {
                        "photo": {
                            "description": "The file, of any content type. Several photos must show the same item.",
                            "type": "array",
                            "minItems": 1,
                            "maxItems": options.MAX_PHOTOS,
                            "items": {"type": "string", "format": "binary"},
                        },
                        "options": {"$ref": _OPTIONS},
                    },
                },
                "encoding": {
                    "photo": {"contentType": ", ".join(MEDIA_TYPES)},
                    "options": {"contentType": "application/json"},
                },
                "examples": {
                    name: {"summary": example["summary"], "value": {"options": example["value"]}}
                    for name, example in EXAMPLES.items()
                },
            },
            **{
                name: {"schema": {"type": "string", "format": "binary", "description": "The file."}}
                for name in (*MEDIA_TYPES, BYTES)
            },
        },
    },
}


def describe(app: FastAPI, *, tokens: bool) -> None:
    """Add to the application's OpenAPI document what FastAPI does not know. tokens: whether a token is required."""
    app.description = _DESCRIPTION
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = public_form(generate())
            schemas = document["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            schemas.update(_schemas_of("Options", options.schema()))
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)  # FastAPI's; ours are problems
            if tokens:
                document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                for path, item in document["paths"].items():
                    for operation in item.values():
                        if path.startswith("/v1/") or path == "/metrics":
                            operation["security"] = [{"token": []}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend it


def _schemas_of(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema and its definitions, as OpenAPI components."""
    text = json.dumps(schema).replace("#/$defs/", f"#/components/schemas/{name}")
    whole = json.loads(text)
    return {name + inner: value for inner, value in whole.pop("$defs", {}).items()} | {name: whole}
