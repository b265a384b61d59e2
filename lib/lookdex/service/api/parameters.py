"""Query parameters of the API, made from the declarations in `search.query.options`."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from lookdex.search.query.options import MAX_FACETS, MAX_NAME, Crops, declarations, read_facets
from lookdex.service.http.problems import ProblemError, ProblemKind

# Characters. Percent-encoded, more would exceed limits of URLs; the form's field `options` takes more.
MAX_WHERE = 3000
MAX_OPTIONS = 4000
_DECLARED = declarations()
_FACETS = Query(
    min_length=1,
    max_length=MAX_FACETS * MAX_NAME,
    description=f"{_DECLARED['facets'].description} Separate names by commas.",
    examples=["true"],
)
_LISTED = ("k", "where", "offset", "release", "sort", "pool", "facets", "crops")


def _parameter(name: str) -> Parameter:
    """An option as `Options` declares it, except for what differs in a URL."""
    field = _DECLARED[name]
    default, kind, query = (
        field.default,
        [field.annotation, *field.metadata],
        Query(description=field.description),
    )
    if name == "where":
        query = Query(min_length=1, max_length=MAX_WHERE, description=field.description)
    elif name == "facets":
        default, kind, query = None, [str | None], _FACETS
    elif name == "crops":
        default = Crops.NONE
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[*kind, query])


def _options(*names: str) -> Any:
    """A dependency that reads these options from the query."""

    async def read(facets: str | None, **options: Any) -> dict[str, Any]:
        return {**options, "facets": facets is not None and read_facets(facets)}

    read.__signature__ = Signature([_parameter(name) for name in names])  # type: ignore[attr-defined]
    return Depends(read)


TextQuery = Annotated[dict[str, Any], _options(*_LISTED)]
SimilarQuery = Annotated[dict[str, Any], _options(*_LISTED, "colour", "goes_with")]


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
