"""The application: routes, error answers, and the OpenAPI document made from both.

It listens nowhere; who composes the daemon gives it to a server.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from godwit import __version__
from godwit.api.problems import PROBLEM_RESPONSES, add_problem_answers
from godwit.api.request_id import RequestIds
from godwit.api.routes import (
    cluster,
    hosts,
    insights,
    migrations,
    plans,
    rules,
    runs,
    state,
    watch,
)
from godwit.engine import Controller
from godwit.wire import Notice

__all__ = ["build_app", "openapi_document"]

_PREFIX = "/v1"

_DESCRIPTION = """
Moves running virtual machines between KVM/libvirt hosts without their users noticing.

A plan is made (`POST /v1/plans`), looked at, and then accepted (`POST /v1/plans/{id}/accept`):
nothing moves before that. `GET /v1/watch` tells every step as server-sent events.

Numbers are in base units, named in the key: bytes, seconds, bytes per second, cores, fractions.
Times are seconds since the epoch. `null` means not known or not measured, never zero.

Every error has the same body: `code` (a stable word), `message`, `evidence`, `remedy`,
`request_id`.
"""


def build_app(controller: Controller) -> FastAPI:
    """Build the API over a controller, which must live in the event loop that serves it."""
    app = _routes()
    app.state.controller = controller
    return app


def openapi_document() -> dict[str, Any]:
    """Describe the API; no controller is needed for that."""
    return _routes().openapi()


def _describe(app: FastAPI) -> dict[str, Any]:
    """Make the document once; what stands inside the event stream is described too."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        notice = Notice.model_json_schema(
            ref_template="#/components/schemas/{model}", mode="serialization"
        )
        schemas |= {name: it for name, it in notice.pop("$defs").items() if name not in schemas}
        schemas["Notice"] = notice
        app.openapi_schema = document
    return app.openapi_schema


def _routes() -> FastAPI:
    app = FastAPI(
        title="Godwit",
        version=__version__,
        description=_DESCRIPTION.strip(),
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        # Bodies are small and come from our own models; a slash too many is a wrong address.
        redirect_slashes=False,
    )
    for module in (hosts, cluster, rules, insights, plans, migrations, runs, state, watch):
        app.include_router(module.router, prefix=_PREFIX, responses=PROBLEM_RESPONSES)
    add_problem_answers(app)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign] # FastAPI's own way
    app.add_middleware(RequestIds)
    return app
