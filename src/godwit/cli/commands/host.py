"""``godwit host``: the inventory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import (
    Output,
    OutputOption,
    build_request,
    examples,
    read_labels,
    read_option,
)
from godwit.core.errors import BadSettings, BadValue
from godwit.core.units import parse_bytes, parse_rate

if TYPE_CHECKING:
    from godwit.wire import NewHost

__all__ = ["register"]

_NameArgument = Annotated[str, typer.Argument(metavar="HOST", help="The name of the host.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    host = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    host.command(
        "add",
        epilog=examples(
            "godwit host add qemu+ssh://root@kvm1/system",
            "godwit host add qemu:///system --name kvm1 --peer-uri qemu+tls://kvm1/system",
            "godwit host add qemu+ssh://root@kvm2/system --shared-path /srv/vms"
            " --migration-link 10gbit",
            "godwit host add --file hosts.toml",
        ),
    )(_add)
    host.command("list", epilog=examples("godwit host list", "godwit host list --output json"))(
        _list
    )
    host.command("show", epilog=examples("godwit host show kvm1"))(_show)
    host.command("remove", epilog=examples("godwit host remove kvm1"))(_remove)
    app.add_typer(host, name="host", help="The inventory: add, list, show and remove hosts.")


def _add(
    ctx: typer.Context,
    uri: Annotated[
        str | None,
        typer.Argument(help="The libvirt URI of the host.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Add all hosts of a TOML file instead.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Its name; otherwise the host part of the URI.")
    ] = None,
    peer_uri: Annotated[
        str | None,
        typer.Option(help="How the other hosts' libvirt reaches it; otherwise the URI."),
    ] = None,
    migration_address: Annotated[
        str | None, typer.Option(help="Where memory is sent to; otherwise the hosts choose.")
    ] = None,
    migration_link: Annotated[
        str | None, typer.Option(metavar="RATE", help="The speed of that network, e.g. 1gbit.")
    ] = None,
    shared_path: Annotated[
        list[str] | None,
        typer.Option(help="A folder that is the same storage on every host naming it."),
    ] = None,
    memory_reserve: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Never given to VMs; 1GiB by default.")
    ] = None,
    cores_overcommit: Annotated[
        float | None, typer.Option(help="vCPUs allowed for each core; 8 by default.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Add a host, or all hosts of a file: each is reached and read first, all are added or none.

    The other hosts' libvirt daemons must reach this one, too: by --peer-uri, or by the URI itself.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.hosts import show_hosts
    from godwit.wire import NewHost

    given = {
        "name": name,
        "peer_uri": peer_uri,
        "migration_address": migration_address,
        "migration_link_bytes_per_s": read_option("--migration-link", parse_rate, migration_link),
        "shared_paths": tuple(shared_path) if shared_path else None,
        "memory_reserve_bytes": read_option("--memory-reserve", parse_bytes, memory_reserve),
        "cores_overcommit": cores_overcommit,
        "labels": read_labels(label) if label else None,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if (uri is None) == (file is None):
        raise BadValue(
            "give either the URI of a host or --file",
            remedy="For example: godwit host add qemu+ssh://root@kvm1/system",
        )
    if file is not None:
        if given:
            raise BadValue(
                "--file takes no options of a single host", remedy="Write them into the file."
            )
        hosts = _read_file(file)
    else:
        hosts = (build_request(NewHost, _OPTIONS, uri=uri, **given),)
    screen = Screen(output)
    with open_session(ctx, screen) as session:
        added = session.client.add_hosts(hosts)
        if screen.is_json:
            screen.document(added)
            return
        names = ", ".join(one.name for one in added)
        screen.line(f"Added: {names}. `godwit scan` shows what could move where.")
        show_hosts(screen, added)


_OPTIONS = {
    "cores_overcommit": "--cores-overcommit",
    "memory_reserve_bytes": "--memory-reserve",
    "migration_link_bytes_per_s": "--migration-link",
}


def _read_file(path: Path) -> "tuple[NewHost, ...]":
    from godwit.wire.hosts_file import read_hosts_file

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(
            f"{path} can't be read",
            evidence=str(error),
            remedy="Name a text file that this user may read.",
        ) from error
    return read_hosts_file(text, file_name=str(path))


def _list(ctx: typer.Context, output: OutputOption = Output.TEXT) -> None:
    """List the hosts of the inventory. No host is asked."""
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.hosts import show_records

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        records = session.client.hosts()
        if screen.is_json:
            screen.document(records)
        elif records:
            show_records(screen, records)
        else:
            screen.line("No host yet. Add one: godwit host add qemu+ssh://root@kvm1/system")


def _show(ctx: typer.Context, name: _NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Read a host now and show all that is known of it, and what it lacks."""
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.hosts import show_host

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        host = session.client.host(name)
        if screen.is_json:
            screen.document(host)
        else:
            show_host(screen, host)


def _remove(ctx: typer.Context, name: _NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Forget a host. Its VMs are left alone, and it can be added again."""
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        session.client.remove_host(name)
        if screen.is_json:
            screen.document({"removed": name})
        else:
            screen.line(f"Removed: {name}. Its VMs were left alone.")
