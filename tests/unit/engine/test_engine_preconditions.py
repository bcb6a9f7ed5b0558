"""Goal: a move is not started in a way that its hosts can't carry out any more."""

from dataclasses import replace

import pytest

from godwit.core.model import Cluster, Feature, HostName, VmId
from godwit.core.plan import Compression, Recipe, Throttle
from godwit.core.planner import features_needed
from godwit.core.rules import Bundle, Pinned
from godwit.engine.preconditions import what_broke
from tests.unit.core.builders import cluster, group, host, move, recipe, vm

PLAIN = recipe()
RECIPES: list[tuple[Recipe, set[Feature]]] = [
    (PLAIN, set()),
    (replace(PLAIN, channels=2), {Feature.MULTIFD}),
    (replace(PLAIN, channels=2, compression=Compression.ZSTD), {Feature.MULTIFD, Feature.ZSTD}),
    (replace(PLAIN, compression=Compression.XBZRLE), {Feature.XBZRLE}),
    (replace(PLAIN, throttle=Throttle()), {Feature.THROTTLE}),
    (replace(PLAIN, postcopy=True), {Feature.POSTCOPY}),
    (replace(PLAIN, switchover_bytes_per_s=1e8), {Feature.SWITCHOVER_HINT}),
]


def _seen(source: frozenset[Feature], destination: frozenset[Feature]) -> Cluster:
    hosts = [host("h1", features=source), host("h2", features=destination)]
    return cluster(hosts, [vm()])


@pytest.mark.parametrize(("using", "needs"), RECIPES)
def test_a_recipe_needs_what_it_uses_on_both_hosts(using: Recipe, needs: set[Feature]) -> None:
    assert features_needed(using) == needs
    every, moving = frozenset(Feature), move(using=using)
    assert what_broke(_seen(every, every), moving, together_with=()) is None
    for feature in Feature:
        for ends in ((every - {feature}, every), (every, every - {feature})):
            broke = what_broke(_seen(*ends), moving, together_with=())
            assert (broke is not None) == (feature in needs)
            if broke is not None:
                assert feature.value in broke.evidence
                assert broke.remedy


def test_a_refusal_of_a_rule_is_told_first() -> None:
    full = cluster([host("h1"), host("h2", in_maintenance=True)], [vm()])
    broke = what_broke(full, move(using=replace(PLAIN, postcopy=True)), together_with=())
    assert broke is not None
    assert "maintenance" in broke.evidence


def test_a_hard_rule_of_the_site_is_asked_again() -> None:
    seen = cluster([host("h1"), host("h2")], [vm(), vm("db")])
    web, both = frozenset({VmId("id-web1")}), frozenset({VmId("id-web1"), VmId("id-db")})
    pinned = replace(seen, rules=(Pinned(name="stay", vms=web),))
    broke = what_broke(pinned, move(), together_with=())
    assert broke is not None
    assert "web1 is pinned to h1 (rule 'stay')" in broke.evidence
    bundle = replace(seen, rules=(Bundle(name="stack", vms=both),))
    alone = what_broke(bundle, move(), together_with=())
    assert alone is not None
    assert "without db" in alone.evidence
    with_db = ((VmId("id-db"), HostName("h2")),)
    assert what_broke(bundle, move(), together_with=with_db) is None


def test_a_stop_on_the_way_may_be_away_from_its_group_and_an_end_may_not() -> None:
    pair = [vm("web1"), vm("web2")]
    seen = cluster([host("h1"), host("h2")], pair, groups=[group("g", *pair, together=True)])
    stop = move(using=PLAIN)
    broke = what_broke(seen, stop, together_with=())
    assert broke is not None
    assert "affinity group 'g' would be split" in broke.evidence
    assert what_broke(seen, stop, together_with=(), goes_on=True) is None
    full = cluster([host("h1"), host("h2", in_maintenance=True)], pair, groups=seen.groups)
    broke = what_broke(full, stop, together_with=(), goes_on=True)
    assert broke is not None
    assert "maintenance" in broke.evidence
    assert "affinity" not in broke.evidence
