"""The client: one method a resource, typed by the wire models."""

from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from godwit import wire
from godwit.client.failures import error_from_httpx
from godwit.client.stream import read_notices
from godwit.core.errors import BadValue, Unsupported

__all__ = ["Client"]

_T = TypeVar("_T")

#: A reading of many hosts waits for the slowest one; the engine has the shorter deadlines.
_ANSWER_S: Final = 180.0
_CONNECT_S: Final = 5.0
#: A command that thinks about a plan keeps its connection: an embedded controller stays as long.
_LIMITS: Final = httpx.Limits(keepalive_expiry=None)
#: What the controller lists at most at once.
_PAGE: Final = 1000
#: A stream silent for this long has lost its other end.
_SILENCE_S: Final = 3 * wire.HEARTBEAT_S


class Client:
    """A connection to one controller. ``server`` is the path of a Unix socket or an http URL.

    Every method raises the errors of ``godwit.core.errors`` as the engine raised them;
    ControllerUnreachable when nothing was asked; OutcomeUnknown when the answer to a change was
    lost.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self._http = _connect(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def hosts(self) -> list[wire.HostRecord]:
        """List what is recorded of all hosts."""
        return self._get("/hosts", list[wire.HostRecord])

    def add_hosts(self, hosts: Sequence[wire.NewHost]) -> list[wire.Host]:
        """Add hosts: all of them, or none."""
        body = [one.model_dump(mode="json", exclude_none=True) for one in hosts]
        return self._send("POST", "/hosts", list[wire.Host], json=body)

    def host(self, name: str) -> wire.Host:
        """Read a host now."""
        return self._get(f"/hosts/{_quoted(name)}", wire.Host)

    def remove_host(self, name: str) -> None:
        """Forget a host."""
        self._ask("DELETE", f"/hosts/{_quoted(name)}")

    def set_maintenance(self, name: str, *, on: bool) -> wire.HostRecord:
        """Put a host into maintenance, or take it out."""
        path = f"/hosts/{_quoted(name)}/maintenance"
        return self._send("PUT", path, wire.HostRecord, json={"on": on})

    def cluster(self) -> wire.Cluster:
        """Read all hosts and VMs now."""
        return self._get("/cluster", wire.Cluster)

    def cluster_file(self, *, anonymised: bool = False) -> bytes:
        """Read all hosts and VMs now; the answer is a file, as it stands."""
        wanted = "true" if anonymised else "false"
        return self._ask("GET", f"/cluster/file?anonymised={wanted}").content

    def vm(self, name: str) -> list[wire.Vm]:
        """Read the VMs of that name or UUID now."""
        return self._get(f"/vms/{_quoted(name)}", list[wire.Vm])

    def policy(self, vm: str) -> wire.Policy:
        """Say what holds for a VM, and where it comes from."""
        return self._get(f"/vms/{_quoted(vm)}/policy", wire.Policy)

    def change_policy(self, vm: str, change: wire.PolicyChange) -> wire.PolicyChanged:
        """Write some fields of the policy into the VM's own metadata."""
        body = change.model_dump(mode="json", exclude_none=True)
        return self._send("PATCH", f"/vms/{_quoted(vm)}/policy", wire.PolicyChanged, json=body)

    def vm_insight(self, vm: str) -> wire.VmInsight:
        """Say all that decisions about a VM rest on."""
        return self._get(f"/vms/{_quoted(vm)}/insight", wire.VmInsight)

    def host_insight(self, name: str) -> wire.HostInsight:
        """Say all that decisions about a host rest on."""
        return self._get(f"/hosts/{_quoted(name)}/insight", wire.HostInsight)

    def check_rules(self) -> wire.RulesCheck:
        """Say which rules hold, which exclude each other, and which are broken now."""
        return self._get("/rules", wire.RulesCheck)

    def accuracy(self) -> wire.Accuracy:
        """Put all scored forecasts beside their facts."""
        return self._get("/forecasts/accuracy", wire.Accuracy)

    def make_plan(self, asked: wire.MigrateRequest | wire.SearchedRequest) -> wire.Plan:
        """Make a plan; nothing moves before it is accepted. Waits for as long as it may search."""
        longer_s = 0.0 if isinstance(asked, wire.MigrateRequest) else asked.limit_s
        body = asked.model_dump(mode="json")
        return self._send("POST", "/plans", wire.Plan, json=body, longer_s=longer_s)

    def plan(self, plan_id: str) -> wire.Plan:
        """Return a plan."""
        return self._get(f"/plans/{_quoted(plan_id)}", wire.Plan)

    def accept(self, plan_id: str) -> wire.Acceptance:
        """Set a plan going. May be repeated: it is accepted once."""
        return self._send("POST", f"/plans/{_quoted(plan_id)}/accept", wire.Acceptance)

    def migrations(self, *, limit: int = 50, before: str | None = None) -> list[wire.Migration]:
        """List the newest migrations, newest first; those older than ``before``, where given."""
        after = f"&before={_quoted(before)}" if before is not None else ""
        return self._get(f"/migrations?limit={limit}{after}", list[wire.Migration])

    def all_migrations(self) -> Generator[wire.Migration, None, None]:
        """Yield every migration there is, the newest first, a page at a time."""
        before = None
        while page := self.migrations(limit=_PAGE, before=before):
            yield from page
            before = page[-1].id

    def migration(self, migration_id: str) -> wire.MigrationDetail:
        """Return a migration whole."""
        return self._get(f"/migrations/{_quoted(migration_id)}", wire.MigrationDetail)

    def cancel_migration(self, migration_id: str) -> wire.Migration:
        """Order the abort of a migration."""
        return self._send("POST", f"/migrations/{_quoted(migration_id)}/cancel", wire.Migration)

    def resolve_migration(self, migration_id: str) -> wire.Migration:
        """Have both hosts of a migration read again."""
        return self._send("POST", f"/migrations/{_quoted(migration_id)}/resolve", wire.Migration)

    def runs(self, *, limit: int = 20) -> list[wire.Run]:
        """List the newest runs, newest first."""
        return self._get(f"/runs?limit={limit}", list[wire.Run])

    def run(self, run_id: str) -> wire.RunDetail:
        """Return a run with its plan."""
        return self._get(f"/runs/{_quoted(run_id)}", wire.RunDetail)

    def cancel_run(self, run_id: str) -> wire.Run:
        """Start no more moves of a run and cancel those in flight."""
        return self._send("POST", f"/runs/{_quoted(run_id)}/cancel", wire.Run)

    def status(self) -> wire.Status:
        """Say what is in flight."""
        return self._get("/status", wire.Status)

    def version(self) -> wire.Version:
        """Say which version the controller is."""
        return self._get("/version", wire.Version)

    def watch(self, after: int | None = None) -> Generator[wire.Notice, None, None]:
        """Yield every notice after a number, or from now on; ends when the controller ends it.

        Raises: ControllerUnreachable when the stream breaks or falls silent.
        """
        where = "/v1/watch" if after is None else f"/v1/watch?after={after}"
        timeout = httpx.Timeout(_CONNECT_S, read=_SILENCE_S)
        try:
            with self._http.stream("GET", where, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    self._raise_problem(response)
                yield from read_notices(response.iter_bytes())
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise error_from_httpx(error, server=self.server, changes=False) from error
        except ValidationError as error:
            raise self._unreadable(str(error)) from error

    def _get(self, path: str, kind: type[_T]) -> _T:
        return self._send("GET", path, kind)

    def _send(
        self,
        method: str,
        path: str,
        kind: type[_T],
        *,
        json: object = None,
        longer_s: float = 0.0,
    ) -> _T:
        response = self._ask(method, path, json=json, longer_s=longer_s)
        try:
            return TypeAdapter(kind).validate_json(response.content)
        except ValidationError as error:
            raise self._unreadable(str(error).splitlines()[0]) from error

    def _ask(
        self, method: str, path: str, *, json: object = None, longer_s: float = 0.0
    ) -> httpx.Response:
        given: dict[str, Any] = {} if json is None else {"json": json}
        given["timeout"] = httpx.Timeout(_CONNECT_S, read=_ANSWER_S + longer_s)
        try:
            response = self._http.request(method, f"/v1{path}", **given)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise error_from_httpx(error, server=self.server, changes=method != "GET") from error
        if not response.is_success:
            self._raise_problem(response)
        return response

    def _raise_problem(self, response: httpx.Response) -> None:
        try:
            problem = wire.Problem.model_validate_json(response.content)
        except ValidationError:
            line = response.text.strip().partition("\n")[0][:200]
            raise self._unreadable(f"HTTP status {response.status_code}: {line}") from None
        raise wire.error_from_problem(problem)

    def _unreadable(self, evidence: str) -> Unsupported:
        return Unsupported(
            f"{self.server} does not answer as a Godwit controller of this version",
            evidence=evidence,
            remedy="Check the address, and that both sides are the same version"
            " (`godwit --version`).",
        )


def _connect(server: str) -> httpx.Client:
    timeout = httpx.Timeout(_CONNECT_S, read=_ANSWER_S)
    if server.startswith(("http://", "https://")):
        try:
            return httpx.Client(base_url=server.rstrip("/"), timeout=timeout, limits=_LIMITS)
        except httpx.InvalidURL as error:
            raise error_from_httpx(error, server=server, changes=False) from error
    path = server.removeprefix("unix://").removeprefix("unix:")
    if not path.startswith(("/", "./", "../")):
        raise BadValue(
            f"{server!r} is not the address of a controller",
            remedy="Give the path of its socket, such as /run/godwit/api.sock, or its http URL.",
        )
    # A proxy from the environment has no business with a socket of this machine.
    transport = httpx.HTTPTransport(uds=path, limits=_LIMITS)
    return httpx.Client(
        base_url="http://godwit", transport=transport, timeout=timeout, trust_env=False
    )


def _quoted(part: str) -> str:
    # These would change the resource, or be taken for the folder above.
    if not part or "/" in part or part in {".", ".."}:
        raise BadValue(
            f"{part!r} can't be a name or an id",
            remedy="`godwit scan` lists hosts and VMs, `godwit history` migrations.",
        )
    return quote(part, safe="")
