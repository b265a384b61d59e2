"""The service behind API Gateway: AWS Lambda's handler is `handler.handler`.

It runs the application of `lookdex serve` unchanged. It accepts events of API Gateway (HTTP and REST APIs), function
URLs and load balancers. Settings are LOOKDEX_… variables; only LOOKDEX_CATALOG is required. Any other event, such as a
scheduled or an empty one, keeps the instance warm: it checks for a new live release and returns the release's id.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from mangum import Mangum

from lookdex.cli.options import read_environment
from lookdex.config import ServiceSettings
from lookdex.service import create_app

# An instance handles one request at a time. A payload has at most 6 MB, and base64 makes a photo a third larger.
SETTINGS = {"places": 1, "queue": 1, "decoders": 1, "upload_bytes": 4_400_000, "deadline_seconds": 25.0}
TEXTS = ["text/", "application/json", "application/problem+json", "application/javascript", "image/svg+xml"]

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)  # Mangum runs each request on it
app = create_app(read_environment(ServiceSettings, **SETTINGS))
# Started once: the models are loaded and the release is open before the first request.
started = app.router.lifespan_context(app)
loop.run_until_complete(started.__aenter__())
requests = Mangum(app, lifespan="off", text_mime_types=TEXTS)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer a request. For another event, return the open release, and why a newer one is not followed."""
    if isinstance(event, dict) and "requestContext" in event:  # in every event that is a request
        return requests(event, context)
    catalog = app.state.catalog
    with contextlib.suppress(Exception):  # the error is in `behind` and in the log
        catalog.refresh()
    return {"release_id": catalog.release.release_id, "behind": catalog.behind}
