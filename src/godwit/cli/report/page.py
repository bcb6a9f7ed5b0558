"""The page itself: which part follows which, and the tables.

Not here: numbers and sentences (``story``), drawings (``plots``, ``glass``), and the file.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from godwit import __version__, wire
from godwit.cli.forecast_words import (
    ALTERNATIVE_COLUMNS,
    alternative_cells,
    forecast_words,
    recipe_words,
)
from godwit.cli.report.foretold import forecast_plot
from godwit.cli.report.glass import glass_plot, length_bars
from godwit.cli.report.markup import Markup, element, join
from godwit.cli.report.plots import limit_plot, memory_plot, rate_plot, throttle_plot
from godwit.cli.report.story import (
    facts,
    limit_steps,
    outcome,
    unknowns,
    utc,
)
from godwit.cli.report.style import STYLE
from godwit.cli.words import ROUND_COLUMNS, journal_after, round_cells, where_runs
from godwit.core.units import format_bytes, format_duration

__all__ = ["SIGNATURE", "render_report"]

#: What every report begins with; a file that begins otherwise is not overwritten.
SIGNATURE: Final = "<!DOCTYPE html>\n<!-- A migration report of Godwit. -->\n"

#: A page that is opened may load nothing and run nothing, whatever got into it.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_BAD: Final = frozenset({"failed", "split", "lost", "unknown"})


def render_report(migration: wire.MigrationDetail, *, now_s: float) -> str:
    """Write the page of a migration as it stands at ``now_s`` (epoch seconds)."""
    title = f"{migration.vm_name}: {migration.source} → {migration.destination}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"godwit {__version__}"),
        element("title", f"{title} ({migration.id})"),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        _head(migration, title),
        _numbers(migration, now_s),
        _why(migration),
        _foretold(migration),
        _plots(migration),
        _glass(migration),
        _rounds(migration),
        _journal(migration),
        _unknown(migration),
        element(
            "footer",
            f"Written by godwit {__version__} at {utc(now_s)} from the journal of {migration.id}."
            " Times on this page are UTC, or seconds after the acceptance.",
        ),
    )
    return f"{SIGNATURE}{element('html', head, body, lang='en')}\n"


def _head(migration: wire.MigrationDetail, title: str) -> Markup:
    tone = "good" if migration.phase == "done" else "bad" if migration.phase in _BAD else ""
    if migration.needs_person:
        tone = "bad"
    failure = migration.failure
    told = [] if failure is None else [("Evidence", failure.evidence), ("Remedy", failure.remedy)]
    if migration.needs_person and migration.last_reading:
        told.append(("Both hosts were read", migration.last_reading))
    return element(
        "header",
        element("div", f"Migration {migration.id}", class_="from"),
        element("h1", title),
        element("p", outcome(migration), class_=f"outcome {tone}".strip()),
        *(element("p", f"{name}: {text}", class_="soft") for name, text in told if text),
    )


def _numbers(migration: wire.MigrationDetail, now_s: float) -> Markup:
    tiles = [
        element(
            "div",
            element("dt", one.name),
            element("dd", one.value, class_="value"),
            element("dd", one.against, class_="against"),
            class_=f"fact {one.tone}",
        )
        for one in facts(migration, now_s)
    ]
    notes = migration.result.notes if migration.result is not None else ()
    announced = migration.result is not None and migration.result.announced_again
    says = [*notes, *(["The guest was announced to the network again."] if announced else [])]
    return join(element("dl", *tiles, class_="facts"), _bullets(says))


def _why(migration: wire.MigrationDetail) -> Markup:
    move = migration.move
    vcpus = f"{move.vcpus} vCPU{'' if move.vcpus == 1 else 's'}"
    rows = [
        ("VM", f"{move.vm_name} ({move.vm}), {format_bytes(move.memory_bytes)}, {vcpus}"),
        ("From, to", f"{move.source} → {move.destination}"),
        ("Guest runs on", where_runs(migration)),
        ("Phase", f"{migration.phase}: {migration.phase_says}"),
        ("Recipe", recipe_words(move.recipe)),
        ("Plan, attempt", f"{migration.plan}, {migration.attempt}"),
        ("Accepted", utc(migration.accepted_at_s)),
        ("Started", utc(migration.started_at_s)),
        ("Ended", utc(migration.ended_at_s)),
    ]
    details = [part for name, text in rows for part in (element("dt", name), element("dd", text))]
    return join(
        element("h2", "What moved where, and why"),
        element("p", f"Why {move.destination}: {move.reason}"),
        _bullets(move.warnings),
        element("dl", *details, class_="about"),
        _refused(move),
    )


def _refused(move: wire.Move) -> Markup:
    rows = [
        (candidate.host, one.rule, one.why, one.remedy)
        for candidate in move.choice.candidates
        for one in candidate.refusals
    ]
    rows += [("every host", one.rule, one.why, one.remedy) for one in move.choice.vm_refusals]
    heading = element("h3", "Refused hosts")
    if not rows:
        return join(heading, element("p", "No host was refused.", class_="soft"))
    columns = ("HOST", "RULE", "WHY NOT", "WHAT WOULD CHANGE IT")
    return join(heading, _table(columns, rows, class_="roomy"))


def _foretold(migration: wire.MigrationDetail) -> Markup:
    move = migration.move
    heading = element("h2", "Forecast against fact")
    if move.forecast is None:
        says = "No forecast was made of this migration."
        return join(heading, element("p", says, class_="soft"), _weighed(move))
    return join(
        heading,
        element("p", f"Before it began: {forecast_words(move.forecast, move.recipe)}."),
        _figure(
            forecast_plot(migration),
            "A band holds nine cases in ten, its line is the median. Each figure has a scale of its"
            " own, from zero.",
            ("band", "forecast"),
            ("fact-mark", "fact"),
        ),
        element("h3", "What it rested on") if move.forecast.grounds else "",
        _bullets(move.forecast.grounds),
        _weighed(move),
    )


def _weighed(move: wire.Move) -> Markup:
    """Set the recipes that were weighed; one alone was no choice."""
    why = element("p", f"Why this recipe: {move.recipe_reason}") if move.recipe_reason else ""
    if len(move.alternatives) < 2:
        return join(why)
    rows = [
        alternative_cells(one, chosen=index == 0)
        for index, one in enumerate(move.alternatives)
        if not one.excluded
    ]
    return join(
        element("h3", "Recipes that were weighed"),
        why,
        _table(ALTERNATIVE_COLUMNS, rows, class_="roomy"),
        element("p", "* was taken. Keeps: the chance to keep the promise.", class_="soft"),
        _bullets(f"Not {one.name}: {one.excluded}" for one in move.alternatives if one.excluded),
    )


def _plots(migration: wire.MigrationDetail) -> Markup:
    heading = element("h2", "Over time")
    if not migration.rounds:
        says = "There is nothing to plot: no round of copying was recorded."
        return join(heading, element("p", says, class_="soft"), _limits(migration))
    return join(
        heading,
        element("h3", "Memory left"),
        _figure(
            memory_plot(migration),
            "Each dot is one round's dirty sync, with its number: what was left to send just then."
            " A round sends it while the guest writes anew. "
            + (
                "The line goes through samples between the syncs."
                if migration.samples
                else "The lines between are drawn, not measured."
            ),
            ("memory", "left right after a sync"),
        ),
        element("h3", "Rates"),
        _figure(
            rate_plot(migration),
            "The dots are as known at each sync"
            + (", the lines go through the samples between. " if migration.samples else ". ")
            + "How fast the guest writes is not known in the first round.",
            ("bandwidth", "the link carries"),
            ("dirty", "the guest writes"),
            ("cap", "limit of the stream, where there was one"),
        ),
        element("h3", "Pause limit"),
        _figure(
            limit_plot(migration),
            "A ring is the pause that stopping at that sync would have cost. The hypervisor stops"
            " the guest when that falls below the limit. The scale is logarithmic.",
            ("limit", "limit ordered"),
            ("promise", "promise"),
            ("ring", "implied pause"),
        ),
        _limits(migration),
        _throttle(migration),
    )


def _throttle(migration: wire.MigrationDetail) -> Markup:
    drawing = throttle_plot(migration)
    if not drawing:
        return Markup()
    return join(
        element("h3", "Throttle"),
        _figure(
            drawing,
            "The part of their time that the vCPUs were kept from running, so that the guest writes"
            " less.",
            ("throttle", "vCPUs slowed by"),
        ),
    )


def _limits(migration: wire.MigrationDetail) -> Markup:
    rows = [
        (f"{one.after_s:.1f} s", format_duration(one.limit_s), one.why)
        for one in limit_steps(migration)
    ]
    return _table((">AFTER", ">LIMIT", "WHY"), rows) if rows else Markup()


def _glass(migration: wire.MigrationDetail) -> Markup:
    heading = element("h2", "The switch-over under a magnifying glass")
    if migration.stopped_at_s is None:
        says = "No stop of the vCPUs for a switch-over was seen."
        return join(heading, element("p", says, class_="soft"))
    return join(
        heading,
        _figure(
            glass_plot(migration),
            "Times count from the stop of the vCPUs, as they were heard of. An arrow stands for"
            " what lies outside the glass. The shaded pause is as long as the hypervisors say.",
        ),
        _figure(length_bars(migration), "To one scale."),
        _causes(migration),
    )


def _causes(migration: wire.MigrationDetail) -> Markup:
    result = migration.result
    said = [] if result is None else [*result.outage_causes]
    if result is not None and result.forwarding:
        said.append(result.forwarding)
    return join(element("h3", "What the outage consisted of"), _bullets(said)) if said else Markup()


def _rounds(migration: wire.MigrationDetail) -> Markup:
    heading = element("h2", "Rounds")
    if not migration.rounds:
        return join(heading, element("p", "None was recorded.", class_="soft"))
    return join(heading, _table(ROUND_COLUMNS, [round_cells(one) for one in migration.rounds]))


def _journal(migration: wire.MigrationDetail) -> Markup:
    rows = [
        element(
            "tr",
            element("td", journal_after(migration, one), class_="right"),
            element("td", one.who, class_="who"),
            element(
                "td",
                one.what,
                *([element("span", f" ({one.ground})", class_="ground")] if one.ground else []),
            ),
            class_="decision" if one.is_decision else None,
        )
        for one in migration.journal
    ]
    return join(
        element("h2", "Who said and decided what"),
        _framed((">AFTER", "WHO", "WHAT"), rows),
    )


def _unknown(migration: wire.MigrationDetail) -> Markup:
    return join(element("h2", "What is not known"), _bullets(unknowns(migration)))


def _bullets(lines: Iterable[str]) -> Markup:
    items = [element("li", line) for line in lines]
    return element("ul", *items) if items else Markup()


def _figure(drawing: Markup, caption: str, *legend: tuple[str, str]) -> Markup:
    names = [element("span", says, class_=class_) for class_, says in legend]
    return element(
        "figure",
        element("div", *names, class_="legend") if names else "",
        drawing,
        element("figcaption", caption),
    )


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], class_: str | None = None
) -> Markup:
    """Set a table; as on the screen, a column whose name begins with > is set to the right."""
    sides = ["right" if name.startswith(">") else None for name in columns]
    cells = [
        element(
            "tr",
            *(element("td", cell, class_=side) for cell, side in zip(row, sides, strict=True)),
        )
        for row in rows
    ]
    return _framed(columns, cells, class_)


def _framed(columns: Sequence[str], rows: Sequence[Markup], class_: str | None = None) -> Markup:
    heads = [
        element(
            "th",
            name.removeprefix(">").capitalize(),
            class_="right" if name.startswith(">") else None,
        )
        for name in columns
    ]
    head = element("thead", element("tr", *heads))
    table = element("table", head, element("tbody", *rows), class_=class_)
    return element("div", table, class_="scroll")
