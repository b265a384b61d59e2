"""The service behind API Gateway: AWS Lambda's handler is `handler.handler`.

It is the application of `lookdex serve` with its whole interface: /v1/search takes the same form, gives the same JSON
and the same problem documents. Payloads of API Gateway's HTTP and REST interfaces, of function URLs and of a load
balancer are understood. Settings come as LOOKDEX_… variables; LOOKDEX_CATALOG is the one that is needed. An event that
is no request, such as a schedule's or an empty one, keeps an instance warm: it looks which release is live, and says
so.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from mangum import Mangum

from lookdex.cli.options import from_environment
from lookdex.config import ServiceSettings
from lookdex.service import create_app

# A Lambda answers one request at a time, with 6 MB of payload, in which a photo's bytes take a third more as base64.
SETTINGS = {"places": 1, "queue": 1, "decoders": 1, "upload_bytes": 4_400_000, "deadline_seconds": 25.0}
TEXTS = ["text/", "application/json", "application/problem+json", "application/javascript", "image/svg+xml"]

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)  # the one that Mangum runs each request on
app = create_app(from_environment(ServiceSettings, **SETTINGS))
# Started once for all requests: models are loaded and the release is open before the first one comes.
started = app.router.lifespan_context(app)
loop.run_until_complete(started.__aenter__())
requests = Mangum(app, lifespan="off", text_mime_types=TEXTS)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """A request's response; of another event, which release answers, and why not a newer one (null: there is none)."""
    if isinstance(event, dict) and "requestContext" in event:  # in the payloads of all that pass requests on
        return requests(event, context)
    catalog = app.state.catalog
    with contextlib.suppress(Exception):  # what was wrong is in `behind` and in the log
        catalog.refresh()
    return {"release_id": catalog.release.release_id, "behind": catalog.behind}
