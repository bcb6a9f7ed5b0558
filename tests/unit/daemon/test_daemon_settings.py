"""Goal: settings are read whole or refused with the key that is wrong."""

from pathlib import Path

import pytest

from godwit.core.errors import BadSettings
from godwit.core.planner import Weights
from godwit.core.rules.groups import GroupRule
from godwit.core.rules.policies import PolicyRule
from godwit.daemon.settings import Settings, load_settings, state_directory

GOOD = """
[probe]
interval = "50ms"

[measure]
windows = ["2s", 5]
budget = "1min"
per_host = 4

[[group]]
name = "databases"
together = false
vms = ["db-*", "pg?"]

[[policy]]
names = ["db-*"]
labels = { tier = "db" }
downtime_max = "300ms"
downtime_target = "50ms"
longer_downtime = "2s"
deadline = "20min"
throttle = true
postcopy = false
priority = 5

[[policy]]
downtime_max = 0.5
"""

POLICIES = (
    PolicyRule(
        patterns=("db-*",),
        labels={"tier": "db"},
        pause_max_s=0.3,
        pause_target_s=0.05,
        pause_longer_s=2.0,
        deadline_s=1200.0,
        may_throttle=True,
        may_postcopy=False,
        priority=5,
    ),
    PolicyRule(pause_max_s=0.5),
)


def _load(directory: Path, text: str) -> Settings:
    (directory / "godwit.toml").write_text(text)
    return load_settings({"GODWIT_STATE": str(directory)})


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert load_settings({"GODWIT_STATE": str(tmp_path)}) == Settings(state_directory=tmp_path)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    rule = GroupRule(name="databases", together=False, patterns=("db-*", "pg?"))
    assert _load(tmp_path, GOOD) == Settings(
        state_directory=tmp_path,
        file=tmp_path / "godwit.toml",
        probe_interval_s=0.05,
        group_rules=(rule,),
        policy_rules=POLICIES,
        measure_windows_s=(2.0, 5.0),
        measure_budget_s=60.0,
        measure_per_host=4,
    )


def test_the_file_may_lie_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    found = load_settings({"GODWIT_STATE": str(tmp_path), "GODWIT_SETTINGS": str(file)})
    assert (found.file, found.probe_interval_s) == (file, 0.05)


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"nowhere\.toml does not exist"):
        load_settings({"GODWIT_SETTINGS": str(tmp_path / "nowhere.toml")})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[probes]\n", "probes: there is no such setting"),
        ("[probe]\nintervall = 1\n", "probe.intervall: there is no such setting"),
        ('[probe]\ninterval = "20 parsecs"\n', "probe.interval: '20 parsecs' has the unknown unit"),
        ("[probe]\ninterval = 0.0\n", "probe.interval: Input should be greater than"),
        ("[probe]\ninterval = true\n", "probe.interval: Input should be a valid number, not True"),
        ('[[group]]\nname = "a"\ntogether = true\n', "group[0].vms: is missing"),
        ('[[group]]\nname = "a"\ntogether = 1\nvms = ["x"]\n', "group[0].together: "),
        ('[[group]]\nname = "a"\ntogether = true\nvms = ["x", 3]\n', "group[0].vms[1]: "),
        (
            GOOD + GOOD[GOOD.index("[[") : GOOD.index("[[policy")],
            "the name 'databases' is used more than once",
        ),
        ("[measure]\nwindows = ['500ms']\n", "measure.windows[0]: Input should be greater"),
        ("[measure]\nwindows = [1.5]\n", "measure.windows[0]: Input should be a multiple of 1"),
        ("[measure]\nper_host = 0\n", "measure.per_host: Input should be greater"),
        ("[[policy]]\nnames = ['a']\n", "policy[0]: it sets nothing"),
        ("[[policy]]\ndowntime_max = '0s'\n", "policy[0].downtime_max: Input should be greater"),
        ("[[policy]]\ndeadline = 'soon'\n", "policy[0].deadline: 'soon'"),
        ("probe = 3\n", "probe: it is a table of its own, not 3"),
        ("[[policy]]\nthrottle = 'yes'\n", "policy[0].throttle: Input should be a valid boolean"),
        ("[[policy]]\npriority = 1.5\n", "policy[0].priority: "),
        ("[[policy]]\nlabels = { tier = 3 }\npriority = 1\n", "policy[0].labels.tier: "),
        ("[[policy]]\npause = '1s'\n", "policy[0].pause: there is no such setting"),
        (
            "[[policy]]\ndowntime_max = '1s'\ndowntime_target = '2s'\n",
            "policy[0]: downtime_target is above downtime_max",
        ),
        (
            "[[policy]]\ndowntime_max = '1s'\nlonger_downtime = '500ms'\n",
            "policy[0]: longer_downtime is below downtime_max",
        ),
        ("[probe", "at end of document"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        _load(tmp_path, text)
    assert str(tmp_path / "godwit.toml") in caught.value.message
    assert says in caught.value.evidence
    assert caught.value.remedy


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        _load(tmp_path, "[probe]\nintervall = 1\n[nonsense]\n")
    assert "probe.intervall" in caught.value.evidence
    assert "nonsense" in caught.value.evidence


@pytest.mark.parametrize(
    ("environment", "user", "expected"),
    [
        ({"GODWIT_STATE": "/srv/g"}, 0, "/srv/g"),
        ({}, 0, "/var/lib/godwit"),
        ({"XDG_STATE_HOME": "/home/ann/.state"}, 1000, "/home/ann/.state/godwit"),
        ({"XDG_STATE_HOME": "/home/ann/.state"}, 0, "/var/lib/godwit"),
    ],
)
def test_the_state_lies_where_this_user_keeps_it(
    environment: dict[str, str], user: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert state_directory(environment) == Path(expected)


def test_without_any_variable_the_state_lies_below_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    assert state_directory({}) == Path("/home/ann/.local/state/godwit")


def test_the_planner_takes_the_weights_of_the_file(tmp_path: Path) -> None:
    found = _load(tmp_path, "[planner]\ncpu_safe = 0.7\nhot_memory = 80.0\nchurn = 0.0\n").weights
    assert found == Weights(cpu_safe_fraction=0.7, hot_memory=80.0, churn=0.0)
    assert _load(tmp_path, "").weights == Weights()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cpu_safe = 1.2", "planner.cpu_safe"),
        ("memory_safe = 0.0", "planner.memory_safe"),
        ("hot_cpu = -1.0", "planner.hot_cpu"),
        ("spare = 5000.0", "planner.spare"),
        ("hot_disk = 1.0", "planner.hot_disk: there is no such setting"),
    ],
)
def test_a_weight_that_could_not_be_is_refused(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(BadSettings) as refused:
        _load(tmp_path, f"[planner]\n{line}\n")
    assert says in refused.value.evidence
