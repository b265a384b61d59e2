"""The questions that the service answers, under `/v1`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from lookdex.search.ask import MAX_K, MAX_TEXT, Crops, Options
from lookdex.search.filters import offered
from lookdex.search.wire import AnswerModel
from lookdex.service import openapi, problems
from lookdex.service.clients import client_key
from lookdex.service.problems import Kind, Refused
from lookdex.service.questions import Questions, Spoken
from lookdex.service.uploads import drain, receive

CACHED = "private, max-age=86400, immutable"  # an item's id is made of what its picture shows
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}

SLASHES = "Of the catalogue, percent-encoded: a/b is a%2Fb."
MAX_WHERE = 3000  # characters: escaped, a longer one is no URL; the field options of a photo takes more
MAX_QUERY_OPTIONS = 4000  # characters, likewise
K = Annotated[int, Query(ge=1, le=MAX_K, description="Distinct products.")]
Where = Annotated[
    str | None,
    Query(
        min_length=1, max_length=MAX_WHERE, description="A predicate on the product columns, e.g. price < 50"
    ),
]
Colour = Annotated[
    float, Query(ge=0, le=1, description="What likeness of colour counts: 0 nothing, 1 alone.")
]
WithCrops = Annotated[Crops, Query(description="Which pictures (JPEG, base64) the answer carries.")]
BEHIND = "a newer release is live and cannot be opened; the service's log says why"
COMMON = (Kind.UNAUTHORIZED, Kind.BAD_QUESTION, Kind.INTERNAL, Kind.BUSY, Kind.TOO_LATE, Kind.STORE_UNAVAILABLE,
          Kind.STOPPING)  # fmt: skip


class CategoryModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    products: int


class PriceModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    least: float
    most: float


class FacetsModel(BaseModel):
    """What filters can offer."""

    model_config = ConfigDict(from_attributes=True)

    products: int = Field(description="Distinct products.")
    categories: list[CategoryModel] = Field(
        description="Values of the column `category`, most products first."
    )
    price: PriceModel | None = Field(description="Of the column `price`.")


class FilterModel(BaseModel):
    """A column, or a field of a record in one (attrs.material), that `where` may name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    type: str = Field(description="What it holds, in words.", examples=["list of text"])
    operators: list[str] = Field(description="What may be written beside it.", examples=[["in", "is null"]])
    example: str = Field(description="A `where` that names it.", examples=["'red' in colours"])


class ReleaseModel(BaseModel):
    """The release that answers now."""

    release_id: str
    released_at: datetime = Field(description="When it was built.")
    items: int = Field(description="Rows: objects and whole photos.")
    images: dict[str, int] = Field(description="Photos by how they ended.")
    detector: str
    embedder: str
    columns: list[str] = Field(description="Columns that `where` may name.")
    filters: list[FilterModel] = Field(description="What `where` may name, and how.")
    facets: FacetsModel
    max_k: int = Field(description="Most products that a question may ask for.")
    behind: str | None = Field(
        description="That a newer release is live and could not be opened; null when none is."
    )


def only_known_parameters(request: Request) -> None:
    """Refuse what would be ignored: a misspelt filter is not a filter that is left out, and a second one is none."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        told = f"those that exist: {', '.join(known)}" if known else "it takes none"
        raise Refused(Kind.BAD_QUESTION, f"there is no parameter {unknown[0][:40]!r} here; {told}")
    if twice := [name for name in known if len(request.query_params.getlist(name)) > 1]:
        raise Refused(Kind.BAD_QUESTION, f"the parameter {twice[0]} is there more than once: give it once")


def client_of(request: Request) -> str:
    """Who asks: the name of the token, else the address."""
    if name := request.state.fields.get("client"):
        return f"token {name}"
    return client_key(request.client.host) if request.client else ""


def routes(questions: Questions, max_bytes: int, receive_seconds: float) -> APIRouter:
    """max_bytes, receive_seconds: of an upload."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(only_known_parameters)])
    catalog = questions.catalog

    def said(request: Request, spoken: Spoken, **seconds: float) -> Response:
        steps = {step: round(1000 * spent, 1) for step, spent in (seconds | spoken.seconds).items()}
        request.state.fields.update(release=spoken.release_id, steps_ms=steps)
        timing = ", ".join(f"{step};dur={spent}" for step, spent in steps.items())
        return Response(spoken.body, media_type="application/json", headers={"Server-Timing": timing})

    @router.post(
        "/search",
        operation_id="search",
        openapi_extra=openapi.SEARCH,
        response_model=AnswerModel,
        responses=problems.responses(
            Kind.MALFORMED, Kind.SLOW_UPLOAD, Kind.TOO_LARGE, Kind.UNKNOWN_FORMAT, Kind.BAD_PHOTO, *COMMON
        ),
    )
    async def search(
        request: Request,
        options: Annotated[str | None, Query(max_length=MAX_QUERY_OPTIONS, include_in_schema=False)] = None,
    ) -> Response:
        """Every object in a photo, and the most similar products of each.

        The photo is JPEG, PNG, WebP, GIF, AVIF or HEIC, whatever its type says: a file in a form, or the body itself,
        with options in the query. Several photos of one item are asked as one question, in a form.
        """
        try:
            with questions.reception(client_of(request)) as upload:
                arriving = Request(request.scope, upload.paced(request.receive))
                question = await receive(arriving, max_bytes, receive_seconds, options)
        except Refused as refused:
            if refused.kind in (Kind.BUSY, Kind.STOPPING, Kind.TOO_LARGE, Kind.UNKNOWN_FORMAT):
                await drain(request.receive, max_bytes)  # who is still sending would not read the answer
            raise
        request.state.fields.update(photos=len(question.photos), bytes=sum(map(len, question.photos)))
        return said(request, await questions.ask(question.photos, question.options))

    @router.get(
        "/text",
        operation_id="text",
        response_model=AnswerModel,
        responses=problems.responses(*COMMON),
    )
    async def text(
        request: Request,
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=MAX_TEXT,
                description="What to look for, in English or Korean.",
                examples=["red dress"],
            ),
        ],
        k: K = 5,
        where: Where = None,
        crops: WithCrops = Crops.NONE,
    ) -> Response:
        """Products that a text describes."""
        return said(request, await questions.ask((), Options(k=k, where=where, text=q, crops=crops)))

    @router.get(
        "/products/{product_id:path}/similar",  # a shop's id may have a slash
        operation_id="similar",
        response_model=AnswerModel,
        responses=problems.responses(Kind.NOT_FOUND, *COMMON),
    )
    async def similar(
        request: Request,
        product_id: Annotated[str, Path(min_length=1, max_length=500, description=SLASHES)],
        k: K = 5,
        where: Where = None,
        colour: Colour = 0.0,
        goes_with: Annotated[bool, Query(description="Also what is worn with it in its own photos.")] = False,
        crops: WithCrops = Crops.NONE,
    ) -> Response:
        """Products like one of the catalogue, without itself."""
        options = Options(
            k=k, where=where, product=product_id, colour=colour, goes_with=goes_with, crops=crops
        )
        return said(request, await questions.ask((), options))

    @router.get(
        "/release",
        operation_id="release",
        responses=problems.responses(*COMMON),
    )
    async def release() -> ReleaseModel:
        """The release that answers now."""
        opened = catalog.opened
        live = opened.release
        return ReleaseModel(
            release_id=live.release_id,
            released_at=live.created_at,
            items=live.items,
            images=dict(live.images),
            detector=live.recipe.detector,
            embedder=live.recipe.embedder,
            columns=opened.filterable.names,
            filters=[FilterModel.model_validate(column) for column in offered(opened.filterable)],
            facets=FacetsModel.model_validate(await questions.facets(opened)),
            max_k=MAX_K,
            behind=None if catalog.behind is None else BEHIND,
        )

    @router.get(
        "/crops/{item_id}",
        operation_id="crop",
        response_class=Response,
        responses=PICTURE | problems.responses(Kind.NOT_FOUND, *COMMON),
    )
    async def crop(
        item_id: Annotated[str, Path(min_length=1, max_length=200, description="`item_id` of a match.")],
    ) -> Response:
        """The stored picture of an item of the release."""
        found = await questions.crop(item_id)
        if found is None:
            raise Refused(Kind.NOT_FOUND, "the release that answers now has no such item")
        return Response(found, media_type="image/jpeg", headers={"Cache-Control": CACHED})

    return router
