"""The rules of placement, held against a fresh reading: /rules."""

from fastapi import APIRouter

from godwit import wire
from godwit.api.door import TheController
from godwit.core.rules import examine, rules_in_force

__all__ = ["router"]

router = APIRouter(tags=["rules"])


@router.get("/rules", operation_id="check_rules")
async def check_rules(controller: TheController) -> wire.RulesCheck:
    """Read all hosts now; say which rules hold, which exclude each other, and which are broken."""
    cluster = await controller.scan()
    return wire.rules_check_to_wire(examine(rules_in_force(cluster), cluster), cluster)
