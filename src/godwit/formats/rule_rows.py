"""The site's rules in a file: the word for each kind, and its fields.

A kind is a class of its own with its checker; only what was declared is written.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from functools import lru_cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from godwit.core.model import Rule
from godwit.core.rules import KINDS, ClusterRule

__all__ = ["RuleRow", "row_of_rule", "rule_of_row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One rule as it stands in a file."""

    kind: str
    says: Mapping[str, Any]


def row_of_rule(rule: Rule, says: Mapping[str, Any]) -> RuleRow:
    """Name the kind of a rule; ``says`` are its fields, ready to be written."""
    assert isinstance(rule, ClusterRule), f"{rule.name} has no checker"
    return RuleRow(kind=rule.KIND, says=says)


def rule_of_row(row: RuleRow) -> Rule:
    """Read a rule, as strictly as all else. Raises: ValueError, of which some are pydantic's."""
    if row.kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise ValueError(f"there is no kind of rule {row.kind!r}: one of {known}")
    found: Rule = _adapter(row.kind).validate_json(json.dumps({"rule": dict(row.says)})).rule
    return found


@lru_cache(maxsize=32)
def _adapter(kind: str) -> TypeAdapter[Any]:
    # What holds of a document holds of the values in it.
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    document = make_dataclass(
        "_Document", [("rule", KINDS[kind])], namespace={"__pydantic_config__": strict}
    )
    return TypeAdapter(document)
