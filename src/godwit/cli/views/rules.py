"""What was found about the rules: contradictions, then what is broken, then all that hold."""

from collections.abc import Sequence

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.words import join_names

__all__ = ["show_rules_check"]


def show_rules_check(screen: Screen, found: wire.RulesCheck) -> None:
    """Print what is wrong first, and the rules in force below it."""
    if found.contradictions:
        screen.line("Rules that exclude each other", style="bold red")
        for one in found.contradictions:
            screen.line(one.why, indent=2)
            screen.line(one.remedy, indent=4)
        screen.line()
    hard = [one for one in found.breaches if one.hard]
    soft = [one for one in found.breaches if not one.hard]
    _show_breaches(screen, "Hard rules that are broken", hard, style="bold red")
    _show_breaches(screen, "Soft rules that are broken", soft, style="bold yellow")
    if not found.contradictions and not found.breaches:
        screen.line("No rule is broken, and none excludes another.", style="green")
        screen.line()
    if found.unread:
        silent = join_names(found.unread)
        screen.line(f"Not known, no answer: {silent} and the VMs there.", style="yellow")
        screen.line()
    for rule in found.rules:
        if rule.is_idle:
            whom = "no host" if rule.vm_count else "no VM"
            screen.line(f"{rule.name!r} ({rule.origin}) speaks of {whom}.", style="yellow")
            screen.line("Mend its names or labels, if that is not meant.", indent=4)
            screen.line()
    rows = [
        (one.name, one.kind, _strength(one), _terms(one), f"{one.vm_count}", one.when, one.origin)
        for one in found.rules
    ]
    screen.table(("RULE", "KIND", "STRENGTH", "TERMS", ">VMS", "HOLDS", "FROM"), rows)


def _show_breaches(
    screen: Screen, title: str, breaches: Sequence[wire.Breach], *, style: str
) -> None:
    if not breaches:
        return
    screen.line(title, style=style)
    for one in breaches:
        price = "" if one.hard else f" (costs {one.price:g})"
        screen.line(f"{one.rule}: {one.why}{price}", indent=2)
        screen.line(one.remedy, indent=4)
    screen.line()


def _strength(rule: wire.Rule) -> str:
    return "hard" if rule.price is None else f"soft, {rule.price:g} each"


def _terms(rule: wire.Rule) -> str:
    said = [f"{name.replace('_', ' ')} {value}" for name, value in rule.terms.items()]
    return ", ".join(said)
