"""The interface as OpenAPI 3.1: the published schemas of options and answers, with examples."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI

from lookdex.imaging.formats import MEDIA_TYPES
from lookdex.search.query import options
from lookdex.service.http.problems import Problem
from lookdex.service.photos.uploads import BYTES

_OPTIONS = "#/components/schemas/Options"
_DESCRIPTION = """\
Search by photo over a shop's own catalogue: every object in a photo, and the most similar products of each.

An answer is wholly from one release of the catalogue. Errors are problem documents (RFC 9457); a 503 says in
`Retry-After` when to come back. A connection on which something else than HTTP/1.1 comes, or too slowly, or too large a
header, is answered with a problem (400, 408, 431) and closed. So is one with a body in chunks so small that their sizes
take more than 16 KiB and an eighth of the body (400), with a transfer coding beside `chunked` (501), or with an
expectation other than `100-continue` (417). Where the service needs a token, send
`Authorization: Bearer <token>`.
"""

EXAMPLES: dict[str, dict[str, Any]] = {
    "everything": {"summary": "Every object, three products each", "value": {"k": 3}},
    "filtered": {"summary": "With a filter", "value": {"k": 5, "where": "price < 50"}},
    "box": {"summary": "What a box holds", "value": {"box": [120, 200, 420, 640]}},
    "text": {"summary": "This, but in red", "value": {"object": 0, "text": "in red", "text_weight": 0.6}},
}

SEARCH: dict[str, Any] = {
    "parameters": [
        {
            "name": "options",
            "in": "query",
            "description": "Where the body is the photo itself; a form has a field of this name.",
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
                            "description": "The file, whatever type its part names; several of them show one item.",
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
    """Complete the application's OpenAPI with what FastAPI does not see. tokens: they are needed."""
    app.description = _DESCRIPTION
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            schemas = document["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            schemas.update(_schemas_of("Options", options.schema()))
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)  # FastAPI's own; ours are problems
            if tokens:
                document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                for path, item in document["paths"].items():
                    for operation in item.values():
                        if path.startswith("/v1/") or path == "/metrics":
                            operation["security"] = [{"token": []}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schemas_of(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema and those it refers to, as OpenAPI's components."""
    text = json.dumps(schema).replace("#/$defs/", f"#/components/schemas/{name}")
    whole = json.loads(text)
    return {name + inner: value for inner, value in whole.pop("$defs", {}).items()} | {name: whole}
