"""The API routes under `/v1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypedDict

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, computed_field
from starlette.responses import Response

from lookdex.search.answer.answer import Answer
from lookdex.search.answer.facets import Category, Facets, PriceRange
from lookdex.search.query import options as ask
from lookdex.search.query.options import MAX_FACETS, MAX_K, MAX_TEXT, Crops, Options
from lookdex.search.retrieval.filters import offered
from lookdex.service import openapi
from lookdex.service.http import caching, problems
from lookdex.service.http.caching import CachePolicy
from lookdex.service.http.clients import client_key
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.photos.uploads import receive
from lookdex.service.questions import EncodedAnswer, QuestionHandler

UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Not modified: `If-None-Match` matches."}}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}

SLASHES = "A product of the catalogue, percent-encoded: a/b is a%2Fb."
MAX_WHERE = (
    3000  # characters; percent-encoded, more would exceed URL limits. The form field options takes more
)
MAX_QUERY_OPTIONS = 4000  # characters, likewise
Where = Annotated[
    str | None,
    Query(
        min_length=1, max_length=MAX_WHERE, description="A predicate on the product columns, e.g. price < 50"
    ),
]
Colour = Annotated[
    float,
    Query(ge=0, le=1, description="Weight of colour similarity: 0 ignores colour, 1 ranks by colour alone."),
]
WithCrops = Annotated[Crops, Query(description="Which pictures (JPEG, base64) to include in the answer.")]
CountedColumns = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_FACETS * ask.MAX_NAME,
        description="Columns, separated by commas, by whose values to count the products that match `where`. true: all "
        "configured facets.",
        examples=["true"],
    ),
]
BEHIND = "a newer release is live but cannot be opened; see the service's log"
COMMON = (
    ProblemKind.UNAUTHORIZED,
    ProblemKind.BAD_QUESTION,
    ProblemKind.INTERNAL,
    ProblemKind.BUSY,
    ProblemKind.TOO_LATE,
    ProblemKind.STORE_UNAVAILABLE,
    ProblemKind.STOPPING,
)


class ListParameters(TypedDict):
    """The `Options` that all GET questions share."""

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
) -> ListParameters:
    columns = False if facets is None else facets == "true" or tuple(facets.split(","))
    return ListParameters(
        k=k, where=where, offset=offset, release=release, sort=sort, pool=pool, facets=columns, crops=crops
    )


Listed = Annotated[ListParameters, Depends(listing)]


@dataclass(frozen=True)
class FacetsModel(Facets):
    """Values for filters: the configured columns, category and price."""

    @computed_field
    @property
    def categories(self) -> tuple[Category, ...]:
        """Values of the column `category`, most products first."""
        return super().categories

    @computed_field
    @property
    def price(self) -> PriceRange | None:
        """Range of the column `price`."""
        return super().price


class FilterModel(BaseModel):
    """A column, or a field of a struct column (attrs.material), that `where` can use."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    type: str = Field(description="Its type, in words.", examples=["list of text"])
    operators: list[str] = Field(description="Operators that apply to it.", examples=[["in", "is null"]])
    example: str = Field(description="An example of `where`.", examples=["'red' in colours"])


class ReleaseModel(BaseModel):
    """The release in use."""

    release_id: str
    released_at: datetime = Field(description="When it was built.")
    items: int = Field(description="Number of items: objects and whole photos.")
    images: dict[str, int] = Field(description="Number of photos by outcome.")
    detector: str
    embedder: str
    columns: list[str] = Field(description="Columns that `where` can use.")
    filters: list[FilterModel] = Field(
        description="Columns and fields that `where` can use, with their operators."
    )
    sortable: list[str] = Field(description="Columns that `sort` accepts, besides score.")
    facets: FacetsModel
    max_k: int = Field(description="Largest `k` of a question.")
    behind: str | None = Field(description="Set if a newer release is live but cannot be opened, else null.")


async def only_known_parameters(request: Request) -> None:
    """Refuse unknown and repeated parameters, which would otherwise be ignored silently."""
    route = request.scope["route"].dependant
    known = [field.alias for part in (route, *route.dependencies) for field in part.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        hint = f"known parameters: {', '.join(known)}" if known else "this path takes none"
        raise ProblemError(ProblemKind.BAD_QUESTION, f"unknown parameter {unknown[0][:40]!r}; {hint}")
    if repeated := [name for name in known if len(request.query_params.getlist(name)) > 1]:
        raise ProblemError(ProblemKind.BAD_QUESTION, f"the parameter {repeated[0]} is given more than once")


def client_of(request: Request) -> str:
    """The client of a request: the name of its token, else its address."""
    if name := request.state.fields.get("client"):
        return f"token {name}"
    return client_key(request.client.host) if request.client else ""


def routes(
    questions: QuestionHandler, max_bytes: int, receive_seconds: float, policy: CachePolicy
) -> APIRouter:
    """The routes. max_bytes, receive_seconds: limits of an upload. policy: Cache-Control of answers."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(only_known_parameters)])
    catalog = questions.catalog

    def respond(
        request: Request, encoded: EncodedAnswer, headers: Mapping[str, str] | None = None
    ) -> Response:
        steps = {step: round(1000 * spent, 1) for step, spent in encoded.seconds.items()}
        request.state.fields.update(release=encoded.release_id, steps_ms=steps)
        timing = ", ".join(f"{step};dur={spent}" for step, spent in steps.items())
        return Response(
            encoded.body,
            media_type="application/json",
            headers={"Server-Timing": timing, **(headers or {})},
        )

    async def answer(request: Request, options: Options) -> Response:
        """Answer a question without a photo. Nothing is searched if the client has the answer already."""
        opened = catalog.opened
        release_id, undamaged = opened.record.release_id, not catalog.damage
        tag = caching.tag_of_answer(release_id, options, opened.facet_columns)
        if undamaged and caching.unchanged(request, tag, exists=False):
            request.state.fields.update(release=release_id)
            return caching.not_modified(tag, policy.answers)
        encoded = await questions.ask((), options)
        tag = caching.tag_of_answer(encoded.release_id, options, opened.facet_columns)
        if caching.unchanged(request, tag):
            return caching.not_modified(tag, policy.answers)
        return respond(request, encoded, caching.tagged(tag, policy.answers))

    @router.post(
        "/search",
        operation_id="search",
        openapi_extra=openapi.SEARCH,
        response_model=Answer,
        responses=problems.responses(
            ProblemKind.MALFORMED,
            ProblemKind.SLOW_UPLOAD,
            ProblemKind.TOO_LARGE,
            ProblemKind.UNKNOWN_FORMAT,
            ProblemKind.BAD_PHOTO,
            ProblemKind.RELEASE_CHANGED,
            *COMMON,
        ),
    )
    async def search(
        request: Request,
        options: Annotated[str | None, Query(max_length=MAX_QUERY_OPTIONS, include_in_schema=False)] = None,
    ) -> Response:
        """Find every object in a photo, and the most similar products of each.

        Send a JPEG, PNG, WebP, GIF, AVIF or HEIC file in a form, or as the body itself with options in the query. The
        format is detected from the content. Several photos of one item are one question: send them in a form.
        """
        try:
            with questions.receiving(client_of(request)) as upload:
                arriving = Request(request.scope, upload.paced(request.receive))
                question = await receive(arriving, max_bytes, receive_seconds, options)
        except ProblemError as refused:
            if refused.kind is ProblemKind.SLOW_UPLOAD:
                request.state.body.give_up()
            raise
        request.state.fields.update(photos=len(question.photos), bytes=sum(map(len, question.photos)))
        return respond(request, await questions.ask(question.photos, question.options))

    @router.head("/text", include_in_schema=False)
    @router.get(
        "/text",
        operation_id="text",
        response_model=Answer,
        responses=UNCHANGED | problems.responses(ProblemKind.RELEASE_CHANGED, *COMMON),
    )
    async def text(
        request: Request,
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=MAX_TEXT,
                description="Search text, in English or Korean.",
                examples=["red dress"],
            ),
        ],
        listed: Listed,
    ) -> Response:
        """Find products that match a text."""
        return await answer(request, Options(text=q, **listed))

    @router.head("/products/{product_id:path}/similar", include_in_schema=False)
    @router.get(
        "/products/{product_id:path}/similar",  # product ids may contain slashes
        operation_id="similar",
        response_model=Answer,
        responses=UNCHANGED | problems.responses(ProblemKind.NOT_FOUND, ProblemKind.RELEASE_CHANGED, *COMMON),
    )
    async def similar(
        request: Request,
        product_id: Annotated[str, Path(min_length=1, max_length=500, description=SLASHES)],
        listed: Listed,
        colour: Colour = 0.0,
        goes_with: Annotated[
            bool, Query(description="Also find products like those worn with it in its photos.")
        ] = False,
    ) -> Response:
        """Find products similar to a product of the catalogue, which is itself left out."""
        options = Options(product=product_id, colour=colour, goes_with=goes_with, **listed)
        return await answer(request, options)

    @router.head("/release", include_in_schema=False)
    @router.get(
        "/release",
        operation_id="release",
        response_model=ReleaseModel,
        responses=UNCHANGED | problems.responses(*COMMON),
    )
    async def release(request: Request) -> Response:
        """Describe the release in use."""
        opened = catalog.opened
        live, facets = opened.record, await questions.facets(opened)
        description = ReleaseModel(
            release_id=live.release_id,
            released_at=live.created_at,
            items=live.items,
            images=dict(live.images),
            detector=live.recipe.detector,
            embedder=live.recipe.embedder,
            columns=opened.filterable.names,
            filters=[FilterModel.model_validate(column) for column in offered(opened.filterable)],
            sortable=list(opened.sortable),
            facets=FacetsModel(facets.products, facets.columns),
            max_k=MAX_K,
            behind=None if catalog.behind is None else BEHIND,
        )
        body = description.model_dump_json().encode()
        tag = caching.weak_tag_of_bytes(body)
        if caching.unchanged(request, tag):
            return caching.not_modified(tag, policy.answers)
        return Response(body, media_type="application/json", headers=caching.tagged(tag, policy.answers))

    @router.head("/crops/{item_id}", include_in_schema=False)
    @router.get(
        "/crops/{item_id}",
        operation_id="crop",
        response_class=Response,
        responses=PICTURE | UNCHANGED | problems.responses(ProblemKind.NOT_FOUND, *COMMON),
    )
    async def crop(
        request: Request,
        item_id: Annotated[str, Path(min_length=1, max_length=200, description="The `item_id` of a match.")],
    ) -> Response:
        """Get the stored picture of an item."""
        found = await questions.crop(item_id)
        if found is None:
            raise ProblemError(ProblemKind.NOT_FOUND, "the release has no such item")
        tag = caching.tag_of_bytes(found)
        if caching.unchanged(request, tag):
            return caching.not_modified(tag, policy.pictures)
        return Response(found, media_type="image/jpeg", headers=caching.tagged(tag, policy.pictures))

    return router
