"""The public form of the JSON Schemas that pydantic makes of an answer's records."""

from __future__ import annotations

import json
import re
from typing import Any

# Others generate classes from the definitions, so their names stay whatever the records are called.
PUBLIC_NAMES = {
    "Answer": "AnswerModel",
    "Box": "BoxModel",
    "Bucket": "BucketModel",
    "Category": "CategoryModel",
    "Facet": "FacetModel",
    "Facets": "CountedModel",
    "FoundObject": "FoundModel",
    "LaneKind": "Kind",
    "Look": "LookModel",
    "LookPhoto": "LookPhotoModel",
    "Match": "MatchModel",
    "Models": "ModelsModel",
    "Next": "NextModel",
    "PaletteColour": "SwatchModel",
    "Part": "PartModel",
    "Piece": "PieceModel",
    "PriceRange": "PriceModel",
    "Value": "ValueModel",
    "Worn": "WornModel",
}
_REFERENCE = re.compile(r'"(#/(?:\$defs|components/schemas)/)(\w+)"')


def public_form(document: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema or an OpenAPI document with the public names of its definitions, without unused ones."""
    text = json.dumps(document)
    used = {name for _, name in _REFERENCE.findall(text)}
    made: dict[str, Any] = json.loads(_REFERENCE.sub(lambda found: f'"{found[1]}{_public(found[2])}"', text))

    def definitions(schemas: dict[str, Any]) -> dict[str, Any]:
        kept = {_public(name): _definition(schema) for name, schema in schemas.items() if name in used}
        return dict(sorted(kept.items()))

    if "components" in made:
        made["components"]["schemas"] = definitions(made["components"]["schemas"])
        return made
    return {"$defs": definitions(made.pop("$defs")), **_definition(made)}


def _public(name: str) -> str:
    return PUBLIC_NAMES.get(name, name)


def _definition(schema: dict[str, Any]) -> dict[str, Any]:
    """Without defaults and `readOnly`, which say nothing of output, and with descriptions in one line."""
    for part in (schema, *schema.get("properties", {}).values()):
        for keyword in ("default", "readOnly", *(["title"] if "$ref" in part else [])):
            part.pop(keyword, None)
        if "description" in part:
            part["description"] = " ".join(part["description"].split())
    return {**schema, "title": _public(schema["title"])} if "title" in schema else schema
