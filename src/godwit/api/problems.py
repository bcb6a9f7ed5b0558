"""Errors as answers: every one in the same body, with the status that the one table gives it."""

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from godwit.api.request_id import request_id_of
from godwit.core.errors import BadValue, Bug, GodwitError
from godwit.wire import PROBLEM_MEDIA_TYPE, Problem, http_status_of, problem_from_error
from godwit.wire.validation import complaint_of

__all__ = ["PROBLEM_RESPONSES", "add_problem_answers"]

_log = logging.getLogger(__name__)

_SAID: Final = {
    404: "There is no such thing.",
    409: "A legal request that can't be done now; nothing was changed.",
    422: "The request can't be read.",
    500: "A fault of Godwit itself.",
    502: "A hypervisor did not do what was asked.",
    503: "A host can't be reached; nothing was asked of it.",
    504: "The answer was lost: it may have happened.",
}

#: For the OpenAPI document: what every route may answer beside success.
PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": said,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, said in _SAID.items()
} | {
    # One of them brings the model into the document's components.
    "default": {"description": "Every error has this body.", "model": Problem}
}


def add_problem_answers(app: FastAPI) -> None:
    """Make the application answer every error with a problem."""
    app.add_exception_handler(GodwitError, _on_godwit_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(HTTPException, _on_http_error)


async def _on_godwit_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GodwitError)
    request_id = request_id_of(request.scope)
    if isinstance(error, Bug):
        _log.error("request %s: %s", request_id, error, exc_info=error)
    return _answer(problem_from_error(error, request_id=request_id), http_status_of(error))


async def _on_bad_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    bad = BadValue(
        "the request can't be read",
        evidence=complaint_of(error.errors()),
        remedy="See the OpenAPI document for what this resource takes.",
    )
    problem = problem_from_error(bad, request_id=request_id_of(request.scope))
    return _answer(problem, http_status_of(bad))


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    problem = Problem(
        code=status.name.lower(),
        message=f"{request.method} {request.url.path}: {status.phrase.lower()}",
        remedy="See the OpenAPI document for the resources there are.",
        request_id=request_id_of(request.scope),
    )
    return _answer(problem, error.status_code)


def _answer(problem: Problem, status: int) -> JSONResponse:
    return JSONResponse(problem.model_dump(), status_code=status, media_type=PROBLEM_MEDIA_TYPE)
