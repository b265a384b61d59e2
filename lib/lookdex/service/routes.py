"""The questions that the service answers, under `/v1`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field, Json
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from lookdex.search.catalog import MAX_K, Catalog
from lookdex.service import problems
from lookdex.service.problems import Refused

CACHED = "private, max-age=86400"


class Options(BaseModel):
    """How to ask."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(5, ge=1, le=MAX_K, description="Products for each object.")
    where: str | None = Field(None, description="Only products for which this holds, such as: price < 50")
    box: tuple[int, int, int, int] | None = Field(
        None,
        description="x0, y0, x1, y1 in pixels of the upright photo: then this is the one object asked for.",
    )
    crops: bool = Field(False, description="Answer with the JPEGs (base64) of what was found.")


def routes(catalog: Catalog) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/search", responses=problems.responses(413, 415, 422, 503))
    async def search(
        photo: Annotated[UploadFile, File(description="JPEG, PNG, WebP or GIF")],
        options: Annotated[Json[Options] | None, Form(description="JSON")] = None,
    ) -> Any:
        """Every object in a photo, and the most similar products of each."""
        asked = options or Options.model_validate({})
        data = await photo.read()
        answer = await run_in_threadpool(
            catalog.search, data, k=asked.k, where=asked.where, box=asked.box, crops=asked.crops
        )
        return JSONResponse(answer.as_dict(crops=asked.crops))

    @router.get("/release")
    async def release() -> Any:
        """The release that answers now."""
        live = catalog.release
        return JSONResponse(
            {
                "release_id": live.release_id,
                "released_at": live.created_at.isoformat(),
                "items": live.items,
                "images": dict(live.images),
                "models": {"detector": live.recipe.detector, "embedder": live.recipe.embedder},
                "columns": list(catalog.columns),
            }
        )

    @router.get("/crops/{item_id}", responses=problems.responses(404, 503))
    async def crop(item_id: Annotated[str, Path(max_length=200)], request: Request) -> Response:
        """The stored picture (JPEG) of an item of the release."""
        found = (await run_in_threadpool(catalog.crops, [item_id])).get(item_id)
        if found is None:
            raise Refused(404, "the release has no such item")
        return Response(found, media_type="image/jpeg", headers={"Cache-Control": CACHED})

    return router
