"""Goal: each kind of rule is read from the settings as it is written, and a mistake is named.

Method: the examples of the documentation are loaded as they stand; then one line a mistake.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from godwit.core.errors import BadSettings
from godwit.core.model import Rule, When
from godwit.core.rules import (
    KINDS,
    Absorb,
    Affinity,
    AntiAffinity,
    Available,
    Bandwidth,
    Bundle,
    Capacity,
    ClusterRule,
    DeclaredRule,
    Drained,
    InFlight,
    KeepOff,
    Pinned,
    Quarantine,
    Resource,
    RunOn,
    Selection,
    Spread,
    StayWithin,
)
from godwit.core.units import parse_rate
from godwit.daemon.settings import load_settings

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "rules.md"
#: Kinds that Godwit brings itself and that have nothing to declare.
BUILT_IN = {"fits", "movable", "huge-pages", "numa-cells", "one-name"}


def read(folder: Path, text: str) -> tuple[DeclaredRule, ...]:
    (folder / "godwit.toml").write_text(text)
    return load_settings({"GODWIT_STATE": str(folder)}).site_rules


def examples() -> str:
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return "\n".join(blocks)


def test_the_documentation_has_an_example_of_each_kind_that_loads(tmp_path: Path) -> None:
    found = [one.rule for one in read(tmp_path, examples())]
    kinds = {one.KIND for one in found if isinstance(one, ClusterRule)}
    assert kinds == KINDS.keys() - BUILT_IN


#: name in the documentation -> the rule that is meant, without its name and origin
MEANT: dict[str, Rule] = {
    "web apart": AntiAffinity(name="", hard=False, price=20),
    "shop": Affinity(name="", by="rack"),
    "database feeds": AntiAffinity(name="", by="feed"),
    "oracle licence": RunOn(name=""),
    "tests stay off production": KeepOff(name="", hard=False, price=5),
    "cpu classes": StayWithin(name="", by="cpu"),
    "never touch": Pinned(name=""),
    "web over racks": Spread(name="", by="rack", least_values=2, hard=False, price=10),
    "quorum": Available(name="", least=2),
    "a rack may burn": Available(name="", least=3, losing="rack"),
    "storage stack": Bundle(name="", by="rack"),
    "one database at a time": InFlight(name="", most=1),
    "memory errors": Quarantine(name=""),
    "out of the old room": Drained(name="", hard=False, price=2),
    "headroom": Capacity(
        name="", resource=Resource.MEMORY, most_fraction=0.85, hard=False, price=50
    ),
    "video uplinks": Bandwidth(
        name="", each_bytes_per_s=parse_rate("1gbit"), most_bytes_per_s=parse_rate("8gbit")
    ),
    "any rack": Absorb(name="", by="rack", price=10),
}


def test_the_examples_mean_what_they_say(tmp_path: Path) -> None:
    found = read(tmp_path, examples())
    assert {one.rule.name: replace(one.rule, name="", origin="built in") for one in found} == MEANT
    origins = [one.rule.origin for one in found]
    assert origins == [f"[[rule]] {n} of godwit.toml" for n in range(1, len(found) + 1)]
    by_name = {one.rule.name: one for one in found}
    assert by_name["web apart"].vms == Selection(patterns=("web-*",), labels={"tier": "web"})
    assert by_name["oracle licence"].hosts == Selection(labels={"licence": "oracle"})
    assert by_name["memory errors"].vms == Selection()


def test_what_is_said_of_strength_and_time_goes_before_the_default(tmp_path: Path) -> None:
    head = '[[rule]]\nname = "a"\nvms = ["*"]\n'
    (soft,) = read(tmp_path, head + 'kind = "spread"\nhard = false\n')
    assert (soft.rule.hard, soft.rule.price, soft.rule.when) == (False, 1.0, When.END)
    (always,) = read(tmp_path, head + 'kind = "spread"\nwhen = "at every instant"\n')
    assert (always.rule.hard, always.rule.when) == (True, When.ALWAYS)
    (spare,) = read(tmp_path, '[[rule]]\nname = "a"\nkind = "n+1"\n')
    assert (spare.rule.hard, spare.rule.price) == (False, 10.0)
    assert spare.rule.when is When.END
    (wide,) = read(tmp_path, head + 'kind = "spread"\nmin_values = 2\n')
    assert isinstance(wide.rule, Spread)
    assert wide.rule.most_skew is None, "only what is asked for"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('vms = ["*"]', "rule[0]"),
        ('kind = "afinity"\nvms = ["*"]', "'affinity', 'anti-affinity'"),
        ('kind = "pinned"', "rule[0]: it means no VMs"),
        ('kind = "run-on"\nvms = ["*"]', "rule[0]: it means no hosts"),
        ('kind = "pinned"\nvms = ["*"]\nby = "rack"', "rule[0].by: there is no such setting"),
        ('kind = "affinity"\nvms = ["*"]\nwhen = "at the end"', "rule[0].when: there is no such"),
        ('kind = "spread"\nvms = ["*"]\nwhen = "now"', "rule[0].when: "),
        ('kind = "spread"\nvms = ["*"]\nmax_skew = 0', "rule[0].max_skew: "),
        ('kind = "spread"\nvms = ["*"]\nmin_values = 1', "rule[0].min_values: "),
        ('kind = "pinned"\nvms = ["*"]\nhard = true\nprice = 3', "a hard rule has no price"),
        ('kind = "pinned"\nvms = ["*"]\nprice = 0', "rule[0].price: "),
        ('kind = "pinned"\nvms = ["*"]\nprice = inf', "rule[0].price: "),
        ('kind = "pinned"\nvms = "web1"', "rule[0].vms: "),
        ('kind = "pinned"\nvm_labels = { a = 1 }', "rule[0].vm_labels.a: "),
        ('kind = "available"\nvms = ["*"]', "rule[0].min: is missing"),
        ('kind = "in-flight"\nvms = ["*"]\nmax = 0', "rule[0].max: "),
        ('kind = "stay-within"\nvms = ["*"]', "rule[0].by: is missing"),
        ('kind = "capacity"\nresource = "disk"\nmax = 0.5', "rule[0].resource: "),
        ('kind = "capacity"\nresource = "cores"\nmax = 1.5', "rule[0].max: "),
        ('kind = "network"\nvms = ["*"]\neach = "fast"\nmax = "1gbit"', "rule[0].each: 'fast'"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read(tmp_path, f'[[rule]]\nname = "a"\n{text}\n')
    assert says in caught.value.evidence
    assert caught.value.remedy


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    one = '[[rule]]\nname = "a"\nkind = "pinned"\nvms = ["*"]\n'
    with pytest.raises(BadSettings) as caught:
        read(tmp_path, one + one)
    assert "rule: the name 'a' is used more than once" in caught.value.evidence
