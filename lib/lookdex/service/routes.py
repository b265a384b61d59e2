"""The questions that the service answers, under `/v1`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypedDict

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from lookdex.errors import BadQuery
from lookdex.search.answer.wire import AnswerModel, CountedModel
from lookdex.search.query import options as ask
from lookdex.search.query.options import MAX_FACETS, MAX_K, MAX_TEXT, Crops, Options
from lookdex.search.retrieval.filters import offered
from lookdex.service import openapi
from lookdex.service.http import caching, problems
from lookdex.service.http.caching import Caching
from lookdex.service.http.clients import client_key
from lookdex.service.http.problems import Kind, Refused
from lookdex.service.photos.uploads import receive
from lookdex.service.questions import Questions, Spoken

UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As `If-None-Match` has it."}}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}

SLASHES = "Of the catalogue, percent-encoded: a/b is a%2Fb."
MAX_WHERE = 3000  # characters: escaped, a longer one is no URL; the field options of a photo takes more
MAX_QUERY_OPTIONS = 4000  # characters, likewise
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
CountedColumns = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_FACETS * ask.MAX_NAME,
        description="Count the products that pass `where` by the values of these columns, with commas between them; "
        "true: of all that the shop chose.",
        examples=["true"],
    ),
]
BEHIND = "a newer release is live and cannot be opened; the service's log says why"
COMMON = (Kind.UNAUTHORIZED, Kind.BAD_QUESTION, Kind.INTERNAL, Kind.BUSY, Kind.TOO_LATE, Kind.STORE_UNAVAILABLE,
          Kind.STOPPING)  # fmt: skip


class Listing(TypedDict):
    """Which products of an answer a GET wants, in which order, and with what beside them: of the `Options`."""

    k: int
    where: str | None
    offset: int
    release: str | None
    sort: str | None
    pool: int | None
    facets: bool | tuple[str, ...]
    crops: Crops


async def listing(
    k: Annotated[ask.K, Query()] = 5,
    where: Where = None,
    offset: Annotated[ask.Offset, Query()] = 0,
    release: Annotated[ask.ReleaseId | None, Query()] = None,
    sort: Annotated[ask.Sort | None, Query()] = None,
    pool: Annotated[ask.Pool | None, Query()] = None,
    facets: CountedColumns = None,
    crops: WithCrops = Crops.NONE,
) -> Listing:
    columns = False if facets is None else facets == "true" or tuple(facets.split(","))
    return Listing(
        k=k, where=where, offset=offset, release=release, sort=sort, pool=pool, facets=columns, crops=crops
    )


Listed = Annotated[Listing, Depends(listing)]


class CategoryModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    products: int


class PriceModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    least: float
    most: float


class FacetsModel(CountedModel):
    """What filters can offer: the columns that the shop chose, category and price."""

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
    sortable: list[str] = Field(description="Columns that `sort` may name, beside score.")
    facets: FacetsModel
    max_k: int = Field(description="Most products that a question may ask for.")
    behind: str | None = Field(
        description="That a newer release is live and could not be opened; null when none is."
    )


async def only_known_parameters(request: Request) -> None:
    """Refuse what would be ignored: a misspelt filter is not a filter that is left out, and a second one is none."""
    route = request.scope["route"].dependant
    known = [own.alias for one in (route, *route.dependencies) for own in one.query_params]
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


def routes(questions: Questions, max_bytes: int, receive_seconds: float, kept: Caching) -> APIRouter:
    """max_bytes, receive_seconds: of an upload. kept: by caches."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(only_known_parameters)])
    catalog = questions.catalog

    def said(request: Request, spoken: Spoken, headers: Mapping[str, str] | None = None) -> Response:
        steps = {step: round(1000 * spent, 1) for step, spent in spoken.seconds.items()}
        request.state.fields.update(release=spoken.release_id, steps_ms=steps)
        timing = ", ".join(f"{step};dur={spent}" for step, spent in steps.items())
        return Response(
            spoken.body,
            media_type="application/json",
            headers={"Server-Timing": timing, **(headers or {})},
        )

    async def answered(request: Request, options: Options) -> Response:
        """A question without a photo; nothing is searched where the client has the answer."""
        opened = catalog.opened
        release_id, whole = opened.record.release_id, not catalog.damage
        tag = caching.tag_of_answer(release_id, options, opened.facet_columns)
        if whole and caching.unchanged(request, tag, exists=False):
            request.state.fields.update(release=release_id)
            return caching.not_modified(tag, kept.answers)
        spoken = await questions.ask((), options)
        tag = caching.tag_of_answer(spoken.release_id, options, opened.facet_columns)
        if caching.unchanged(request, tag):
            return caching.not_modified(tag, kept.answers)
        return said(request, spoken, caching.tagged(tag, kept.answers))

    @router.post(
        "/search",
        operation_id="search",
        openapi_extra=openapi.SEARCH,
        response_model=AnswerModel,
        responses=problems.responses(
            Kind.MALFORMED,
            Kind.SLOW_UPLOAD,
            Kind.TOO_LARGE,
            Kind.UNKNOWN_FORMAT,
            Kind.BAD_PHOTO,
            Kind.RELEASE_CHANGED,
            *COMMON,
        ),
    )
    async def search(
        request: Request,
        options: Annotated[str | None, Query(max_length=MAX_QUERY_OPTIONS, include_in_schema=False)] = None,
    ) -> Response:
        """Every object in a photo, and the most similar products of each.

        The photo is JPEG, PNG, WebP, GIF, AVIF or HEIC, whichever of them its type says: a file in a form, or the body
        itself, with options in the query. Several photos of one item are asked as one question, in a form.
        """
        try:
            with questions.reception(client_of(request)) as upload:
                arriving = Request(request.scope, upload.paced(request.receive))
                question = await receive(arriving, max_bytes, receive_seconds, options)
        except (Refused, BadQuery) as refused:
            if not (isinstance(refused, Refused) and refused.kind is Kind.SLOW_UPLOAD):
                await request.state.body.drain(max_bytes)
            raise
        request.state.fields.update(photos=len(question.photos), bytes=sum(map(len, question.photos)))
        return said(request, await questions.ask(question.photos, question.options))

    @router.head("/text", include_in_schema=False)
    @router.get(
        "/text",
        operation_id="text",
        response_model=AnswerModel,
        responses=UNCHANGED | problems.responses(Kind.RELEASE_CHANGED, *COMMON),
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
        listed: Listed,
    ) -> Response:
        """Products that a text describes."""
        return await answered(request, Options(text=q, **listed))

    @router.head("/products/{product_id:path}/similar", include_in_schema=False)
    @router.get(
        "/products/{product_id:path}/similar",  # a shop's id may have a slash
        operation_id="similar",
        response_model=AnswerModel,
        responses=UNCHANGED | problems.responses(Kind.NOT_FOUND, Kind.RELEASE_CHANGED, *COMMON),
    )
    async def similar(
        request: Request,
        product_id: Annotated[str, Path(min_length=1, max_length=500, description=SLASHES)],
        listed: Listed,
        colour: Colour = 0.0,
        goes_with: Annotated[bool, Query(description="Also what is worn with it in its own photos.")] = False,
    ) -> Response:
        """Products like one of the catalogue, without itself."""
        options = Options(product=product_id, colour=colour, goes_with=goes_with, **listed)
        return await answered(request, options)

    @router.head("/release", include_in_schema=False)
    @router.get(
        "/release",
        operation_id="release",
        response_model=ReleaseModel,
        responses=UNCHANGED | problems.responses(*COMMON),
    )
    async def release(request: Request) -> Response:
        """The release that answers now."""
        opened = catalog.opened
        live = opened.record
        told = ReleaseModel(
            release_id=live.release_id,
            released_at=live.created_at,
            items=live.items,
            images=dict(live.images),
            detector=live.recipe.detector,
            embedder=live.recipe.embedder,
            columns=opened.filterable.names,
            filters=[FilterModel.model_validate(column) for column in offered(opened.filterable)],
            sortable=list(opened.sortable),
            facets=FacetsModel.model_validate(await questions.facets(opened)),
            max_k=MAX_K,
            behind=None if catalog.behind is None else BEHIND,
        )
        body = told.model_dump_json().encode()
        tag = caching.weak_tag_of_bytes(body)
        if caching.unchanged(request, tag):
            return caching.not_modified(tag, kept.answers)
        return Response(body, media_type="application/json", headers=caching.tagged(tag, kept.answers))

    @router.head("/crops/{item_id}", include_in_schema=False)
    @router.get(
        "/crops/{item_id}",
        operation_id="crop",
        response_class=Response,
        responses=PICTURE | UNCHANGED | problems.responses(Kind.NOT_FOUND, *COMMON),
    )
    async def crop(
        request: Request,
        item_id: Annotated[str, Path(min_length=1, max_length=200, description="`item_id` of a match.")],
    ) -> Response:
        """The stored picture of an item of the release."""
        found = await questions.crop(item_id)
        if found is None:
            raise Refused(Kind.NOT_FOUND, "the release that answers now has no such item")
        tag = caching.tag_of_bytes(found)
        if caching.unchanged(request, tag):
            return caching.not_modified(tag, kept.pictures)
        return Response(found, media_type="image/jpeg", headers=caching.tagged(tag, kept.pictures))

    return router
