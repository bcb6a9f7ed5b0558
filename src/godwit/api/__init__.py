"""The REST API and the event stream: the controller's facade over HTTP.

It translates and decides nothing: requests into calls, values into wire models, errors into
problems by the one table in ``godwit.wire.problems``.
"""

from godwit.api.app import build_app, openapi_document

__all__ = ["build_app", "openapi_document"]
