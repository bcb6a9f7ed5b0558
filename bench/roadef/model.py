"""Reads instances of the Google/ROADEF/EURO 2012 challenge, and compiles them into a problem."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from godwit.core.planner.search import Indices, Numbers, Problem, build_problem

VARIABLE: Final = "GODWIT_BENCH_DATA"


class UnreadableInstance(ValueError):
    """The data are not there, or a file of them doesn't follow the challenge's format."""


def data_folder() -> Path:
    """The folder with the challenge's files."""
    named = os.environ.get(VARIABLE)
    if not named:
        raise UnreadableInstance(f"{VARIABLE} is not set: name the folder that holds roadef/")
    folder = Path(named) / "roadef"
    if not (folder / "evaluate.py").is_file():
        raise UnreadableInstance(f"{folder} has no evaluate.py: is {VARIABLE} the right folder?")
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance: its files, and what they say as a problem."""

    name: str
    model: Path
    assignment: Path
    problem: Problem


def read_instance(folder: Path, name: str) -> Instance:
    """Read one instance, for example ``b_1``."""
    model, assignment = folder / f"model_{name}.txt", folder / f"assignment_{name}.txt"
    return Instance(
        name=name,
        model=model,
        assignment=assignment,
        problem=_compiled(_Words(model), _numbers(assignment), assignment),
    )


def _numbers(path: Path) -> Numbers:
    try:
        return np.array(path.read_text(encoding="ascii").split(), dtype=np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise UnreadableInstance(f"{path}: {error}") from error


class _Words:
    """The numbers of a file, taken one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = _numbers(path)
        self._at = 0

    def take(self, count: int, what: str) -> Numbers:
        """Take so many numbers; the words say of what, for the error."""
        if count < 0 or self._at + count > len(self._numbers):
            raise UnreadableInstance(
                f"{self.path}: it ends in {what}: {count} numbers are wanted at number {self._at},"
                f" and it has {len(self._numbers)}"
            )
        self._at += count
        return self._numbers[self._at - count : self._at]

    def one(self, what: str) -> int:
        """Take one number."""
        return int(self.take(1, what)[0])

    def table(self, rows: int, columns: int, what: str) -> Numbers:
        """Take a table, row by row."""
        return self.take(rows * columns, what).reshape(rows, columns)

    def end(self) -> None:
        """Say that all has been read."""
        left = len(self._numbers) - self._at
        if left:
            raise UnreadableInstance(f"{self.path}: {left} numbers are left over at its end")


def _compiled(words: _Words, initial: Numbers, assignment: Path) -> Problem:
    resources = words.one("the number of resources")
    resource = words.table(resources, 2, "the resources")
    machines = words.one("the number of machines")
    machine = words.table(machines, 2 + 2 * resources + machines, "the machines")
    services = words.one("the number of services")
    spread = np.zeros(services, dtype=np.int64)
    dependencies: list[tuple[int, int]] = []
    for service in range(services):
        spread[service] = words.one(f"service {service}")
        needed = words.take(words.one(f"service {service}"), f"service {service}")
        dependencies += [(service, int(other)) for other in needed]
    processes = words.one("the number of processes")
    process = words.table(processes, 2 + resources, "the processes")
    balance = words.table(words.one("the number of balance costs"), 4, "the balance costs")
    process_weight, service_weight, machine_weight = words.take(3, "the weights").tolist()
    words.end()
    if len(initial) != processes:
        raise UnreadableInstance(f"{assignment}: {len(initial)} machines for {processes} processes")
    return build_problem(
        need=process[:, 1 : 1 + resources],
        origin=_indices(initial, machines, assignment),
        capacity=machine[:, 2 : 2 + resources],
        safe=machine[:, 2 + resources : 2 + 2 * resources],
        weight=resource[:, 1],
        transient=resource[:, 0] != 0,
        balance=balance,
        item_groups=_indices(process[:, 0], services, words.path).reshape(-1, 1).tolist(),
        most_per_bin=np.ones(services, dtype=np.int64),
        fewest_locations=spread,
        dependencies=dependencies,
        location=machine[:, 1],
        neighbourhood=machine[:, 0],
        move_cost=process_weight * process[:, 1 + resources],
        group_move_cost=service_weight,
        pair_cost=machine_weight * machine[:, 2 + 2 * resources :],
    )


def _indices(values: Numbers, limit: int, path: Path) -> Indices:
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < limit:
        raise UnreadableInstance(f"{path}: an index is outside 0..{limit - 1}")
    return values.astype(np.int32)
