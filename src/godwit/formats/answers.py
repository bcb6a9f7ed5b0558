"""What hypervisors said of VMs on hosts, kept by what was said, not once for each pair.

A cluster of many hosts has millions of pairs, and only a few different answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Generic, TypeVar, cast

__all__ = ["Answers", "Row", "rows_of"]

#: The key of one answer: what it is about, and last the host that was asked.
K = TypeVar("K", bound=tuple[str, ...])
A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[A]):
    """The same answer of each of these hosts about each of these subjects."""

    subjects: tuple[tuple[str, ...], ...]
    hosts: frozenset[str]
    answer: A


class Answers(Mapping[K, A]):
    """Answers by subject and host, out of rows. Equal to a dict that holds the same."""

    __slots__ = ("_by_subject", "_rows")

    def __init__(self, rows: tuple[Row[A], ...]) -> None:
        """Raises: ValueError that names what two rows answer."""
        self._rows = rows
        self._by_subject: dict[tuple[str, ...], list[Row[A]]] = {}
        for row in rows:
            for subject in row.subjects:
                others = self._by_subject.setdefault(subject, [])
                for other in others:
                    if twice := row.hosts & other.hosts:
                        raise ValueError("answered twice: " + ", ".join((*subject, min(twice))))
                others.append(row)

    @property
    def rows(self) -> tuple[Row[A], ...]:
        """The rows, as they were given."""
        return self._rows

    def __getitem__(self, key: K) -> A:
        for row in self._by_subject.get(key[:-1], ()):
            if key[-1] in row.hosts:
                return row.answer
        raise KeyError(key)

    def __iter__(self) -> Iterator[K]:
        for row in self._rows:
            for subject, host in product(row.subjects, sorted(row.hosts)):
                yield cast("K", (*subject, host))

    def __len__(self) -> int:
        return sum(len(row.subjects) * len(row.hosts) for row in self._rows)

    def __repr__(self) -> str:
        return f"Answers({dict(self)!r})"


def rows_of(answers: Mapping[K, A]) -> tuple[Row[A], ...]:
    """Return the rows of these answers, in an order that depends on nothing else."""
    if isinstance(answers, Answers):
        return answers.rows
    hosts: dict[tuple[tuple[str, ...], A], set[str]] = {}
    for key, answer in answers.items():
        hosts.setdefault((key[:-1], answer), set()).add(key[-1])
    subjects: dict[tuple[A, frozenset[str]], list[tuple[str, ...]]] = {}
    for (subject, answer), asked in hosts.items():
        subjects.setdefault((answer, frozenset(asked)), []).append(subject)
    rows = [
        Row(subjects=tuple(sorted(about)), hosts=asked, answer=answer)
        for (answer, asked), about in subjects.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.subjects, sorted(row.hosts))))
