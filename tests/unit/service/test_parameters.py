"""Query parameters are declared by `Options`, except for what differs in a URL."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from lookdex.search.query import options
from lookdex.service.api.parameters import MAX_WHERE, SimilarQuery

app = FastAPI()


@app.get("/similar")
async def similar(query: SimilarQuery) -> dict[str, Any]:
    return query


client = TestClient(app)
PARAMETERS = {one["name"]: one for one in app.openapi()["paths"]["/similar"]["get"]["parameters"]}
PROPERTIES = options.schema()["properties"]


@pytest.mark.parametrize("name", ["k", "offset", "release", "sort", "pool", "colour", "goes_with"])
def test_a_parameter_has_the_type_limits_default_and_description_of_its_option(name: str) -> None:
    in_url, declared = PARAMETERS[name]["schema"], dict(PROPERTIES[name])
    assert PARAMETERS[name]["description"] == declared["description"]
    if declared["default"] is None:
        del declared["default"]  # left out of OpenAPI: a URL has no null
    assert in_url == declared


def test_what_differs_in_a_url() -> None:
    assert PARAMETERS.keys() - {"where", "facets", "crops"} <= PROPERTIES.keys()
    assert PARAMETERS["where"]["schema"]["anyOf"][0]["maxLength"] == MAX_WHERE
    assert PARAMETERS["where"]["description"] == PROPERTIES["where"]["description"]
    assert PARAMETERS["crops"]["schema"]["default"] == "none"
    assert PARAMETERS["facets"]["schema"]["anyOf"][0]["type"] == "string"


def test_values_become_options() -> None:
    plain = client.get("/similar").json()
    assert (plain["k"], plain["facets"], plain["crops"]) == (5, False, "none")
    assert options.Options(product="p", **plain) == options.Options(product="p", crops=options.Crops.NONE)
    given = client.get("/similar?k=2&facets=brand,price&colour=0.5&goes_with=true").json()
    assert (given["k"], given["facets"], given["colour"]) == (2, ["brand", "price"], 0.5)
    assert given["goes_with"] is True
    assert client.get("/similar?facets=true").json()["facets"] is True


@pytest.mark.parametrize(
    "query", ["k=0", "k=x", "colour=2", "where=", f"where={'a' * (MAX_WHERE + 1)}", "sort="]
)
def test_values_out_of_range_are_refused(query: str) -> None:
    assert client.get(f"/similar?{query}").status_code == 422
