"""One case, two planners: what each makes of it by hbal's score, in how many moves, how fast."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.hbal.cases import Case, Indices
from bench.hbal.metric import apply_moves, score_of
from bench.hbal.peer import Answer

__all__ = ["Peer", "Solve", "measure", "summary_of", "table_of", "worst"]

#: Moves as (VM, host), in the order in which they are made.
Moves = list[tuple[int, int]]
Solve = Callable[[Case], Moves]
Peer = Callable[[Case], Answer]

#: hbal prints eight decimals.
_SAME: Final = 1e-6


def measure(
    case: Case,
    solve: Solve,
    peer: Peer | None,
    *,
    peer_name: str,
    judge: Callable[[Case, Indices], float] | None = None,
) -> dict[str, Any]:
    """Solve a case both ways; ``judge`` scores what came out of ours, independently of us.

    Raises: ValueError when a move has no room, or somebody scores a placement as we don't.
    """
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    moves = solve(case)
    ours = {
        "cpu_s": time.process_time() - cpu_began_s,
        "wall_s": time.perf_counter() - began_s,
        **_outcome(case, moves),
    }
    if judge is not None:
        _agree(case, "what came out", ours["score"], judge(case, apply_moves(case, moves)))
    row: dict[str, Any] = {
        "case": case.name,
        "hosts": case.hosts,
        "vms": case.vms,
        "score_before": score_of(case, case.origin),
        "godwit": ours,
        "peer": peer_name if peer is not None else "",
    }
    if peer is None:
        return row
    said = peer(case)
    theirs = _outcome(case, said.moves)
    _agree(case, "before", row["score_before"], said.score_before)
    _agree(case, "after the moves of the peer", theirs["score"], said.score_after)
    return row | {
        "hbal": {"cpu_s": said.cpu_s, "wall_s": said.wall_s, **theirs},
        "score_ratio": _ratio(ours["score"], theirs["score"]),
        "moves_ratio": _ratio(len(moves), len(said.moves)),
        "speedup": said.cpu_s / max(ours["cpu_s"], 1e-6),
    }


def _outcome(case: Case, moves: Moves) -> dict[str, Any]:
    where = apply_moves(case, moves)
    return {
        "score": score_of(case, where),
        "moves": len(moves),
        "bytes": int(sum(case.memory_mib[vm] for vm, _ in moves)) * 2**20,
    }


def _agree(case: Case, when: str, ours: float, theirs: float) -> None:
    if abs(ours - theirs) > _SAME * max(1.0, theirs):
        raise ValueError(f"{case.name}, {when}: scored {theirs}, and {ours} by bench/hbal/metric")


def _ratio(ours: float, theirs: float) -> float:
    if theirs > 0:
        return ours / theirs
    return 1.0 if ours == theirs else float("inf")


def worst(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    """The highest of a ratio; None where there is none."""
    return max((row[name] for row in rows if name in row), default=None)


def summary_of(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """The figures that the goals are about: only against hbal itself, not against its way."""
    real = [row for row in rows if row["peer"] == "hbal"]
    largest = [row["speedup"] for row in real if (row["hosts"], row["vms"]) == (40, 800)]
    return {
        "score_ratio_worst": worst(real, "score_ratio"),
        "moves_ratio_worst": worst(real, "moves_ratio"),
        "speedup_40x800": min(largest, default=None),
    }


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for people, as Markdown."""
    lines = [
        "| case | score before | hbal | Godwit | moves hbal | Godwit | CPU s hbal | Godwit |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        ours, theirs = row["godwit"], row.get("hbal")
        mark = "" if row["peer"] in {"hbal", ""} else " *"
        lines.append(
            f"| {row['case']} | {row['score_before']:.4g} "
            f"| {_cell(theirs, 'score', '.4f')}{mark} | {ours['score']:.4f} "
            f"| {_cell(theirs, 'moves', 'd')}{mark} | {ours['moves']} "
            f"| {_cell(theirs, 'cpu_s', '.2f')}{mark} | {ours['cpu_s']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _cell(side: dict[str, Any] | None, name: str, shape: str) -> str:
    return "-" if side is None else format(side[name], shape)
