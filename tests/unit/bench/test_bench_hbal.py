"""Goal: the score that both planners are judged by is hbal's, and no move is counted that can't be.

Method: a small file kept beside this test with what hbal 3.0.2 printed of it (``hbal -v -v``), and
a few clusters made up; where hbal is installed, it is asked again.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from bench.hbal.cases import Case, UnfitCase, case_from
from bench.hbal.descent import descend
from bench.hbal.making import make_case
from bench.hbal.measuring import measure, summary_of, table_of
from bench.hbal.metric import apply_moves, parts_of, score_of
from bench.hbal.peer import Answer, hbal_moves, hbal_score
from godwit.formats import encode, read_raw

DATA = Path(__file__).resolve().parent / "data"
HBAL = pytest.mark.skipif(shutil.which("hbal") is None, reason="hbal is not installed")
#: What hbal printed: of the file, and of the file with its utilisation.
PRINTED: dict[bool, Any] = {
    False: {
        "before": 23.13207414,
        "after": 1.66031311,
        "moves": 11,
        "parts": {
            "free_mem_cv": 0.06718296,
            "vcpu_ratio_cv": 0.240343,
            "cpu_load_cv": 5.70613705,
            "mem_load_cv": 5.70613705,
            "disk_load_cv": 5.70613705,
            "net_load_cv": 5.70613705,
            "free_disk_cv": 0.0,
        },
    },
    True: {
        "before": 16.18664511,
        "after": 2.47045143,
        "moves": 11,
        "parts": {
            "free_mem_cv": 0.06718296,
            "vcpu_ratio_cv": 0.240343,
            "cpu_load_cv": 6.2861384,
            "mem_load_cv": 8.75128562,
            "disk_load_cv": 0.00057061,
            "net_load_cv": 0.84112451,
            "free_disk_cv": 0.0,
        },
    },
}


def small(*, loaded: bool) -> Case:
    text = (DATA / "hbal_small.data").read_text()
    loads = (DATA / "hbal_small.util").read_text()
    return case_from(text, name="small", utilisation=loads if loaded else "")


@pytest.mark.parametrize("loaded", [False, True])
def test_the_score_is_the_one_that_hbal_printed(loaded: bool) -> None:
    case = small(loaded=loaded)
    assert score_of(case, case.origin) == pytest.approx(PRINTED[loaded]["before"], abs=6e-9)
    for name, value in parts_of(case, case.origin).items():
        assert value == pytest.approx(PRINTED[loaded]["parts"][name], abs=6e-9), name


@pytest.mark.parametrize("loaded", [False, True])
def test_its_way_is_the_one_that_hbal_printed(loaded: bool) -> None:
    case = small(loaded=loaded)
    moves = descend(case)
    assert len(moves) == PRINTED[loaded]["moves"]
    after = score_of(case, apply_moves(case, moves))
    assert after == pytest.approx(PRINTED[loaded]["after"], abs=6e-9)


@HBAL
@pytest.mark.parametrize("seed", range(3))
def test_hbal_says_the_same_of_clusters_that_nobody_looked_at(seed: int) -> None:
    case = make_case(4, 30, seed=seed, mixed=seed > 0, loaded=seed == 2)
    assert score_of(case, case.origin) == pytest.approx(hbal_score(case, case.origin), abs=6e-9)
    said = hbal_moves(case)
    assert descend(case) == said.moves
    where = apply_moves(case, said.moves)
    assert score_of(case, where) == pytest.approx(said.score_after, abs=6e-9)
    assert hbal_score(case, where) == pytest.approx(said.score_after, abs=6e-9)
    assert said.cpu_s > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_cluster_that_went_through_godwits_own_format_scores_the_same(seed: int) -> None:
    case = make_case(5, 40, seed=seed, mixed=True)
    found = read_raw(case.text_after(case.origin).encode(), file_name="c.data").cluster
    found = read_raw(encode(found, Path("c.json")), file_name="c.json").cluster
    again = case_from(encode(found, Path("c.data")).decode(), name="again")
    assert parts_of(again, again.origin) == parts_of(case, case.origin)
    assert descend(again) == descend(case)


def test_moves_without_room_or_without_an_end_are_refused() -> None:
    case = small(loaded=False)
    home = int(case.origin[0])
    with pytest.raises(ValueError, match="move 1: VM 0 is on host"):
        apply_moves(case, [(0, home)])
    there = (home + 1) % case.hosts
    narrow = replace(case, vcpus_per_cpu=np.full(case.hosts, 0.01))
    with pytest.raises(ValueError, match="move 1: too many vCPUs for VM 0"):
        apply_moves(narrow, [(0, there)])
    assert descend(narrow) == []


def test_some_memory_must_stay_free_as_hbal_has_it() -> None:
    case = small(loaded=False)
    vm, home = 0, int(case.origin[0])
    there = next(at for at in range(case.hosts) if at != home)
    used = case.memory_mib[case.origin == there].sum() + case.memory_fixed_mib[there]
    total = case.memory_total_mib.copy()
    for spare, fits in ((0, False), (1, True)):
        total[there] = used + case.memory_mib[vm] + spare
        tight = replace(case, memory_total_mib=total)
        if fits:
            assert apply_moves(tight, [(vm, there)])[vm] == there
        else:
            with pytest.raises(ValueError, match="no memory"):
                apply_moves(tight, [(vm, there)])


def test_a_file_with_what_this_does_not_compare_is_refused() -> None:
    text = (DATA / "hbal_small.data").read_text()
    for old, new in (("sharedfile", "drbd"), ("running", "ADMIN_down"), ("|N|uuid", "|Y|uuid")):
        with pytest.raises(UnfitCase):
            case_from(text.replace(old, new, 1), name="other")


def test_a_comparison_says_what_came_out_and_refuses_what_does_not_agree() -> None:
    case = small(loaded=False)
    moves = descend(case)
    after = score_of(case, apply_moves(case, moves))
    said = Answer(
        score_before=score_of(case, case.origin),
        score_after=after,
        moves=moves,
        cpu_s=100.0,
        wall_s=100.0,
    )
    row = measure(
        case, lambda one: descend(one)[:-1], lambda _: said, peer_name="hbal", judge=score_of
    )
    assert row["score_ratio"] > 1
    assert row["moves_ratio"] == (len(moves) - 1) / len(moves)
    assert row["speedup"] > 1
    assert summary_of([row]) == {
        "score_ratio_worst": row["score_ratio"],
        "moves_ratio_worst": row["moves_ratio"],
        "speedup_40x800": None,
    }
    assert "| small |" in table_of([row])
    alone = measure(case, descend, None, peer_name="")
    assert "score_ratio" not in alone
    assert "| - |" in table_of([alone])
    with pytest.raises(ValueError, match="what came out"):
        measure(case, descend, None, peer_name="", judge=lambda *_: 0.5)
    lies = Answer(
        score_before=said.score_before, score_after=0.1, moves=moves, cpu_s=1.0, wall_s=1.0
    )
    with pytest.raises(ValueError, match="after the moves"):
        measure(case, descend, lambda _: lies, peer_name="hbal")


def test_what_is_only_its_way_is_not_counted_as_hbal() -> None:
    row = {"peer": "hbal's way", "score_ratio": 9.0, "moves_ratio": 9.0, "speedup": 1.0}
    row |= {"hosts": 40, "vms": 800}
    assert set(summary_of([row]).values()) == {None}


def test_godwits_search_keeps_to_hbals_limits_and_is_no_worse() -> None:
    levelled = pytest.importorskip("bench.hbal.levelled", exc_type=ImportError)
    chance = Random(7)
    for _ in range(3):
        case = make_case(6, 60, seed=chance.randrange(1000), mixed=True)
        where = apply_moves(case, levelled.solve(case, steps_per_vm=50))
        ends = apply_moves(case, descend(case))
        assert score_of(case, where) <= score_of(case, ends)
        assert not np.array_equal(where, case.origin)
