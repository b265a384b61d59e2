"""The API routes under `/v1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, computed_field
from starlette.responses import Response

from lookdex.search.answer.answer import Answer
from lookdex.search.answer.facets import Category, Facets, PriceRange
from lookdex.search.query.options import MAX_K, MAX_TEXT, Options
from lookdex.search.retrieval.filters import filter_columns
from lookdex.service.api import openapi
from lookdex.service.api.parameters import MAX_OPTIONS, SimilarQuery, TextQuery, only_known_parameters
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


def client_name(request: Request) -> str:
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
        tag = caching.answer_etag(release_id, options, opened.facet_columns)
        if undamaged and caching.is_unchanged(request, tag, exists=False):
            request.state.fields.update(release=release_id)
            return caching.not_modified(tag, policy.answers)
        encoded = await questions.ask((), options)
        tag = caching.answer_etag(encoded.release_id, options, opened.facet_columns)
        if caching.is_unchanged(request, tag):
            return caching.not_modified(tag, policy.answers)
        return respond(request, encoded, caching.etag_headers(tag, policy.answers))

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
        options: Annotated[str | None, Query(max_length=MAX_OPTIONS, include_in_schema=False)] = None,
    ) -> Response:
        """Find every object in a photo, and the most similar products of each.

        Send a JPEG, PNG, WebP, GIF, AVIF or HEIC file in a form, or as the body itself with options in the query. The
        format is detected from the content. Several photos of one item are one question: send them in a form.
        """
        try:
            with questions.receiving(client_name(request)) as upload:
                arriving = Request(request.scope, upload.limit_receive(request.receive))
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
        query: TextQuery,
    ) -> Response:
        """Find products that match a text."""
        return await answer(request, Options(text=q, **query))

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
        query: SimilarQuery,
    ) -> Response:
        """Find products similar to a product of the catalogue, which is itself left out."""
        return await answer(request, Options(product=product_id, **query))

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
            filters=[FilterModel.model_validate(column) for column in filter_columns(opened.filterable)],
            sortable=list(opened.sortable),
            facets=FacetsModel(facets.products, facets.columns),
            max_k=MAX_K,
            behind=None if catalog.behind is None else BEHIND,
        )
        body = description.model_dump_json().encode()
        tag = caching.weak_etag(body)
        if caching.is_unchanged(request, tag):
            return caching.not_modified(tag, policy.answers)
        return Response(
            body, media_type="application/json", headers=caching.etag_headers(tag, policy.answers)
        )

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
        tag = caching.strong_etag(found)
        if caching.is_unchanged(request, tag):
            return caching.not_modified(tag, policy.pictures)
        return Response(found, media_type="image/jpeg", headers=caching.etag_headers(tag, policy.pictures))

    return router
