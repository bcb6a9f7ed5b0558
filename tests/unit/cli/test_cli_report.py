"""Goal: the report of a migration says all there is, says what is not known, and can't be forged.

Method: the command over the fake controller for whole pages; made-up migrations off the wire for
every phase, hostile names and empty records. Every page is parsed.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from api_fakes import Plot, World
from api_scene import T0
from cli_fakes import CommandLine
from cli_traces import with_traces

from godwit import wire
from godwit.cli.report import SIGNATURE, render_report
from godwit.cli.report.axes import Scale, byte_ticks, log_ticks, time_ticks
from godwit.cli.report.markup import Markup, element, join
from godwit.core.migration import Failure, Phase, Whereabouts

HOSTILE = "<script>alert('1')</script>\"&amp;'><img src=x onerror=y>]]>\x00\x1b[31m\u202egnp.exe"


@pytest.fixture
def migration(godwit: CommandLine) -> wire.MigrationDetail:
    """A migration that went well, as the API tells of it."""
    assert godwit("migrate", "web1", "--yes").status == 0
    return wire.MigrationDetail.model_validate_json(godwit("show", "web1", "-o", "json").out)


def _page(migration: wire.MigrationDetail) -> str:
    page = render_report(migration, now_s=T0 + 3600)
    assert page.startswith(SIGNATURE)
    ET.fromstring(page)
    return page


def _words(page: str) -> str:
    body = ET.fromstring(page).find("body")
    assert body is not None
    return " ".join(" ".join(body.itertext()).split())


def _plots(page: ET.Element) -> dict[str, ET.Element]:
    """The drawings for wide screens, by what a screen reader says of them."""
    wide = [one for one in page.iter("svg") if one.get("class") == "wide"]
    return {one.get("aria-label", ""): one for one in wide}


def _corners(drawing: ET.Element, class_: str) -> int:
    (path,) = (one for one in drawing.iter("path") if one.get("class") == class_)
    return len(re.findall(r"[ML]", path.get("d", "")))


def _hostile(value: Any) -> Any:
    """Put hostile text wherever a text of the world may stand."""
    kept = {"phase", "runner", "event", "code"}
    if isinstance(value, dict):
        return {
            key: one
            if key in kept
            else f"{key}{HOSTILE}"
            if isinstance(one, str)
            else _hostile(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [HOSTILE if isinstance(one, str) else _hostile(one) for one in value]
    return value


def test_the_page_has_every_number(migration: wire.MigrationDetail) -> None:
    words = _words(_page(migration))
    for said in (
        "web1: kvm1 → kvm2",
        "web1 runs on kvm2, and only there; it stood still for 42 ms, 1.0 s were promised.",
        "42 ms promised: at most 1.0 s; kept",
        "61 ms seen by Godwit's probe; looked every 20 ms",
        "7.3 s",
        "812 MiB",
        "the VM has 2.0 GiB of memory",
        "2 vCPUs",
        "120 MiB",
        "12.0 MiB",
        "30.0 MiB/s",
        "110 MiB/s",
        "1.1 s",
        "sets the pause limit to 110 ms",
        "a round leaves 12 MiB",
        "stopped the vCPUs for the switch-over",
        "+3.0 s",
        "2027-01-15 08:00:00 UTC",
        migration.move.reason,
    ):
        assert said in words, said


def test_the_tables_are_those_of_show(migration: wire.MigrationDetail) -> None:
    words = _words(_page(migration))
    for entry in migration.journal:
        assert f"{entry.who} {entry.what}" in words
        assert entry.ground in words
    for candidate in migration.move.choice.candidates:
        for refusal in candidate.refusals:
            assert f"{candidate.host} {refusal.rule} {refusal.why} {refusal.remedy}" in words
    assert "kvm3" in words


def test_the_page_loads_nothing_and_runs_nothing(migration: wire.MigrationDetail) -> None:
    page = ET.fromstring(_page(migration))
    policies = [one.get("content", "") for one in page.iter("meta")]
    assert any(one.startswith("default-src 'none';") for one in policies)
    loads = {"script", "link", "img", "image", "use", "iframe", "object", "embed", "base", "a"}
    assert not loads & {one.tag for one in page.iter()}
    for one in page.iter():
        for name, value in one.items():
            assert name not in {"src", "href", "style"}
            assert not name.startswith("on")
            assert "//" not in value
    (style,) = page.iter("style")
    assert not re.search(r"url\(|@import|//", style.text or "")


def test_each_round_is_marked_and_each_limit_drawn(migration: wire.MigrationDetail) -> None:
    page = ET.fromstring(_page(migration))
    wide = _plots(page)
    assert len(wide) == 6
    assert len(list(page.iter("svg"))) == 12, "each is there for narrow screens, too"
    left = wide["Memory left over time"]
    dots = [one for one in left.iter("circle") if one.get("class") == "dot memory"]
    assert [title.text for one in dots for title in one] == [
        "round 1: 120 MiB left",
        "round 2: 12.0 MiB left",
    ]
    limits = wide["Pause limit over time"]
    (limit,) = (one for one in limits.iter("path") if one.get("class") == "line limit")
    levels = {point.split()[1] for point in re.findall(r"[ML]([\d.]+ [\d.]+)", limit.get("d", ""))}
    assert len(levels) == len([one for one in migration.journal if one.pause_limit_s is not None])


def test_samples_are_the_fine_line_between_the_rounds(migration: wire.MigrationDetail) -> None:
    traced = with_traces(migration)
    page = _page(traced)
    drawn = _plots(ET.fromstring(page))
    points = len(traced.samples) + len(traced.rounds)
    assert _corners(drawn["Memory left over time"], "line memory") == points + 1
    rates = drawn["Bandwidth and dirty rate over time"]
    assert _corners(rates, "line bandwidth") == len(traced.samples)
    known = sum(one.dirty_bytes_per_s > 0 for one in traced.samples)
    assert _corners(rates, "line dirty") == known
    caps = [one for one in rates.iter("line") if one.get("class") == "level"]
    assert len(caps) == 2, "one for each limit of the stream"
    words = _words(page)
    assert "through samples between the syncs" in words
    assert "drawn, not measured" not in words


def test_what_was_ordered_is_drawn_and_what_was_not_is_left_out(
    migration: wire.MigrationDetail,
) -> None:
    plain = _plots(ET.fromstring(_page(migration)))
    assert "How much the vCPUs were slowed" not in plain
    assert not list(plain["Memory left over time"].iter("rect"))
    drawn = _plots(ET.fromstring(_page(with_traces(migration, postcopy=True))))
    assert "How much the vCPUs were slowed" in drawn
    (band,) = drawn["Memory left over time"].iter("rect")
    assert band.get("class") == "postcopy"
    assert float(band.get("width", "0")) > 20


def test_the_forecast_stands_beside_the_fact(migration: wire.MigrationDetail) -> None:
    page = _page(with_traces(migration))
    marks = [
        one
        for one in _plots(ET.fromstring(page))["Forecast against fact"].iter("polygon")
        if one.get("class") == "fact-mark"
    ]
    assert len(marks) == 5
    words = _words(page)
    for said in (
        "Before it began: about 2.9 s (2.6 to 3.4)",
        "forecast: 2.6-3.4 s",
        "fact 3.1 s",
        "fact 812 MiB, above the range",
        "Not multifd-2-zstd: kvm1 has 0.4 idle cores",
        "the guest wrote 38 MiB within 1 s, sampled 3 m ago",
        "120 ms more passed until the guest was reached again",
        "kvm2's bridge had learnt",
    ):
        assert said in words, said
    move = migration.move.model_copy(update={"forecast": None, "alternatives": ()})
    none = migration.model_copy(update={"forecast": None, "move": move})
    assert "no forecast was made of this migration" in _words(_page(none))


def test_no_text_of_the_world_becomes_markup(migration: wire.MigrationDetail) -> None:
    world = _hostile(migration.model_dump(mode="json"))
    forged = wire.MigrationDetail.model_validate(world)
    page = _page(forged)
    names = {one.tag for one in ET.fromstring(page).iter()}
    assert names <= {one.tag for one in ET.fromstring(_page(migration)).iter()} | {"ul", "li"}
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search("[\x00\x1b\u202e]", page)
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("phase", Phase, ids=lambda one: one.word)
@pytest.mark.parametrize("bare", [False, True])
def test_every_phase_has_its_page(
    migration: wire.MigrationDetail, phase: Phase, bare: bool
) -> None:
    done = phase is Phase.DONE
    changes: dict[str, Any] = {
        "phase": phase.word,
        "phase_says": phase.says,
        "runner": phase.runner.value,
        "is_ended": done or phase in {Phase.FAILED, Phase.CANCELLED},
        "needs_person": phase in {Phase.SPLIT, Phase.LOST},
        "ended_at_s": None,
        "result": migration.result if done and not bare else None,
    }
    if bare:
        changes |= {"rounds": (), "rounds_done": 0, "journal": migration.journal[:1]}
        changes |= {"started_at_s": None, "stopped_at_s": None}
    words = _words(_page(migration.model_copy(update=changes)))
    assert phase.says in words
    assert "What is not known" in words
    if bare:
        assert "no round was recorded" in words
        assert "No stop of the vCPUs for a switch-over was seen." in words
    if not changes["is_ended"] and not changes["needs_person"]:
        assert "Not over yet" in words


def test_a_failure_is_told_with_its_remedy(world: World, godwit: CommandLine) -> None:
    failure = Failure(code="refused", cause="no room", evidence="ENOMEM", remedy="Free some.")
    world.controller.plots["web1"] = Plot(end=Whereabouts.SOURCE, failure=failure)
    godwit("migrate", "web1", "--yes")
    told = wire.MigrationDetail.model_validate_json(godwit("show", "web1", "-o", "json").out)
    words = _words(_page(told))
    assert "web1 was not moved; it runs on kvm1, unharmed: no room." in words
    assert "Evidence: ENOMEM Remedy: Free some." in words
    assert "Pause not known promised: at most 1.0 s" in words


def test_a_broken_promise_is_not_painted_over(migration: wire.MigrationDetail) -> None:
    assert migration.result is not None
    late = migration.result.model_copy(update={"pause_s": 1.5})
    words = _words(_page(migration.model_copy(update={"result": late})))
    assert "NOT KEPT" in words
    assert "longer than the 1.0 s promised" in words


def test_the_command_writes_where_it_is_told(
    godwit: CommandLine, migration: wire.MigrationDetail, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = godwit("report", "web1")
    assert (ran.status, ran.out) == (0, f"godwit-report-{migration.id}.html\n")
    page = (tmp_path / f"godwit-report-{migration.id}.html").read_text(encoding="utf-8")
    ET.fromstring(page)
    assert godwit("report", migration.id).status == 0, "a report of before is written anew"
    assert godwit("report", "web1", "--file", "-").out.startswith(SIGNATURE)
    other = tmp_path / "other.html"
    assert godwit("report", "web1", "--file", str(other), "-o", "json").json == {
        "migration": migration.id,
        "path": str(other),
    }
    assert sorted(one.name for one in tmp_path.glob("*.html")) == [
        f"godwit-report-{migration.id}.html",
        "other.html",
    ]
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_a_file_of_somebody_else_is_left_alone(
    godwit: CommandLine, migration: wire.MigrationDetail, tmp_path: Path
) -> None:
    mine = tmp_path / "thesis.html"
    mine.write_text("<!DOCTYPE html>\n<p>three years of work</p>\n")
    ran = godwit("report", migration.id, "--file", str(mine))
    assert ran.status == 2
    assert "not overwritten" in ran.err
    assert "three years" in mine.read_text()
    assert godwit("report", migration.id, "--file", str(mine), "--force").status == 0
    assert mine.read_text().startswith(SIGNATURE)
    assert godwit("report", migration.id, "--file", str(tmp_path), "--force").status == 2
    nowhere = tmp_path / "nowhere" / "x.html"
    assert "can't be written" in godwit("report", migration.id, "--file", str(nowhere)).err


def test_what_was_never_moved_has_no_report(godwit: CommandLine, tmp_path: Path) -> None:
    ran = godwit("report", "wbe1", "--file", str(tmp_path / "x.html"))
    assert ran.status == 2
    assert "godwit history" in ran.err
    assert not (tmp_path / "x.html").exists()


def test_only_what_was_built_is_markup() -> None:
    built = element("b", "<", class_="x", stroke_width=1.50, title=None)
    assert built == '<b class="x" stroke-width="1.5">&lt;</b>'
    assert join(built, "<i>") == f"{built}&lt;i&gt;"
    assert "<b" not in join(built + "<i>"), "what has plain text in it is plain text"
    assert "<i>" not in join(f"{Markup('<p>')}<i>")
    assert element("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'


@pytest.mark.parametrize("high", [0.0, 1.0, 700.0, 2**20, 3.3 * 2**30, 2.0**45])
def test_ticks_reach_to_what_is_shown(high: float) -> None:
    ticks = byte_ticks(high)
    assert ticks[0].value == 0
    assert ticks[-1].value >= high
    assert 2 <= len(ticks) <= 7


@pytest.mark.parametrize("span", [0.1, 1.0, 7.3, 59.0, 119.0, 3600.0, 90_000.0, 900_000.0])
def test_times_are_round_and_few(span: float) -> None:
    ticks = time_ticks(0.02, 0.02 + span)
    assert 1 <= len(ticks) <= 8
    assert all(0.019 <= one.value <= 0.021 + span for one in ticks)
    assert len({one.label for one in ticks}) == len(ticks)


def test_a_logarithmic_scale_holds_its_ends() -> None:
    ticks = log_ticks(0.02, 3.2)
    assert [one.label for one in ticks] == ["10 ms", "100 ms", "1 s", "10 s"]
    scale = Scale(low=0.01, high=10.0, first=100.0, last=0.0, is_log=True)
    assert scale.at(0.0) == 100.0
    assert scale.at(1e9) == 0.0
