"""The cost and the broken rules of an assignment, from scratch and in plain Python: slow, and sure.

It shares nothing with the kernels but the arrays of the problem. And problems to try it on.
"""

from collections import Counter
from random import Random

from godwit.core.planner.search import Problem, build_problem


def slow_cost(problem: Problem, assignment: list[int]) -> int:
    bins, resources = problem.capacity.shape
    used = _used(problem, assignment)
    cost = 0
    for b in range(bins):
        for r in range(resources):
            cost += int(problem.weight[r]) * max(0, used[b][r] - int(problem.safe[b, r]))
        for one, other, target, weight in problem.balance.tolist():
            free_one = int(problem.capacity[b, one]) - used[b][one]
            free_other = int(problem.capacity[b, other]) - used[b][other]
            cost += weight * max(0, target * free_one - free_other)
    moved: Counter[int] = Counter()
    for item, place in enumerate(assignment):
        home = int(problem.origin[item])
        cost += int(problem.pair_cost[home, place])
        if place != home:
            cost += int(problem.move_cost[item])
            moved.update(groups_of(problem, item))
    return cost + int(problem.group_move_cost) * max(moved.values(), default=0)


def slow_broken(problem: Problem, assignment: list[int]) -> int:
    bins, resources = problem.capacity.shape
    held = _used(problem, assignment)
    broken = 0
    for item, place in enumerate(assignment):
        home = int(problem.origin[item])
        if place != home:
            for r in range(resources):
                held[home][r] += int(problem.need[item, r]) * bool(problem.transient[r])
        broken += not problem.allowed[problem.allowed_class[item], place]
    for b in range(bins):
        broken += sum(held[b][r] > problem.capacity[b, r] for r in range(resources))
    lies = [list[int]() for _ in problem.most_per_bin]
    for item, place in enumerate(assignment):
        for group in groups_of(problem, item):
            lies[group].append(place)
    for group, places in enumerate(lies):
        most = int(problem.most_per_bin[group])
        broken += sum(max(0, count - most) for count in Counter(places).values())
        locations = {int(problem.location[b]) for b in places}
        broken += max(0, int(problem.fewest_locations[group]) - len(locations))
        near = {int(problem.neighbourhood[b]) for b in places}
        for k in range(problem.needs_at[group], problem.needs_at[group + 1]):
            broken += len(near - {int(problem.neighbourhood[b]) for b in lies[problem.needs[k]]})
    return broken


def groups_of(problem: Problem, item: int) -> list[int]:
    at = problem.groups_at
    return [int(group) for group in problem.groups[at[item] : at[item + 1]]]


def _used(problem: Problem, assignment: list[int]) -> list[list[int]]:
    used = [[0] * problem.capacity.shape[1] for _ in problem.capacity]
    for item, place in enumerate(assignment):
        for r, need in enumerate(problem.need[item].tolist()):
            used[place][r] += need
    return used


def made_up(seed: int, *, items: int = 24, bins: int = 5, tight: float = 1.6) -> Problem:
    """A problem with something of everything; its origin breaks rules in some of them."""
    dice = Random(seed)
    resources, groups = dice.randint(1, 4), dice.randint(1, 8)
    classes = dice.randint(1, 3)
    need = [[dice.randint(0, 30) for _ in range(resources)] for _ in range(items)]
    room = int(tight * 15 * items / bins) + 1
    capacity = [[dice.randint(room // 2, 2 * room) for _ in range(resources)] for _ in range(bins)]
    return build_problem(
        need=need,
        origin=[dice.randrange(bins) for _ in range(items)],
        capacity=capacity,
        safe=[[dice.randint(0, room) for _ in row] for row in capacity],
        weight=[dice.randint(0, 9) for _ in range(resources)],
        transient=[dice.random() < 0.4 for _ in range(resources)],
        balance=[
            [dice.randrange(resources), dice.randrange(resources), dice.randint(0, 3), 2]
            for _ in range(dice.randint(0, 2))
        ],
        item_groups=[dice.sample(range(groups), dice.randint(0, min(2, groups))) for _ in need],
        most_per_bin=[dice.choice([1, 2, 2**31 - 1]) for _ in range(groups)],
        fewest_locations=[dice.randint(0, 2) for _ in range(groups)],
        dependencies=[
            (dice.randrange(groups), dice.randrange(groups)) for _ in range(dice.randint(0, 4))
        ],
        location=[dice.randrange(3) for _ in range(bins)],
        neighbourhood=[dice.randrange(2) for _ in range(bins)],
        move_cost=[dice.randint(0, 20) for _ in range(items)],
        group_move_cost=dice.randint(0, 20),
        pair_cost=[
            [0 if b == other else dice.randint(0, 9) for other in range(bins)] for b in range(bins)
        ],
        allowed_class=[dice.randrange(classes) for _ in range(items)],
        allowed=[[dice.random() < 0.9 for _ in range(bins)] for _ in range(classes)],
    )
