"""``godwit cluster``: a whole cluster as a file, to attach to a report or to plan on elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from godwit.cli.screen import Screen
    from godwit.formats import SavedCluster

__all__ = ["register"]

_FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="What to read: .json or .data, packed or not.")
]
_TargetArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="What to write. Its end names the format: .json is Godwit's own, .data that of"
        " Ganeti's htools (hbal -t); with .gz behind it, packed.",
    ),
]
_AnonymiseOption = Annotated[
    bool,
    typer.Option(
        "--anonymise",
        help="Replace names, addresses, labels, ids and free texts. The same stays the same, so a"
        " plan for the file is one for the cluster.",
    ),
]
_ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    cluster = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    cluster.command(
        "save",
        epilog=examples(
            "godwit cluster save cluster.json",
            "godwit cluster save --anonymise report.json.gz      to show to others",
            "godwit cluster save cluster.data                    for hbal -t",
        ),
    )(_save)
    cluster.command(
        "load",
        epilog=examples(
            "godwit cluster load cluster.json",
            "godwit cluster load cluster.data -o json",
        ),
    )(_load)
    cluster.command(
        "convert",
        epilog=examples(
            "godwit cluster convert cluster.data cluster.json",
            "godwit cluster convert cluster.json cluster.data    then: hbal -t cluster.data",
            "godwit cluster convert --anonymise mine.json public.json.gz",
        ),
    )(_convert)
    app.add_typer(
        cluster, name="cluster", help="The whole cluster as a file: save, load and convert it."
    )


def _save(
    ctx: typer.Context,
    file: _TargetArgument,
    anonymise: _AnonymiseOption = False,
    force: _ForceOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Read all hosts now, and write the whole cluster to one file.

    In it stands what a plan is made from: hosts, VMs, their policies and groups, what hypervisors
    said of CPUs and disks, and what was learnt. It is read back and checked before it is written.
    """
    from godwit.cli.files import refuse_to_overwrite
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.formats import format_named, read_raw

    screen = Screen(output)
    format_named(file)
    refuse_to_overwrite(file, force=force)
    with open_session(ctx, screen) as session:
        with screen.busy("reading the hosts"):
            raw = session.client.cluster_file(anonymised=anonymise)
        with screen.busy("checking and writing the file"):
            saved = read_raw(raw, file_name="the cluster that was read")
            _write(screen, file, saved)
        _report(screen, file, saved)


def _load(file: _FileArgument, output: OutputOption = Output.TEXT) -> None:
    """Check a file whole, and show what is in it. No host is asked, and nothing is kept.

    A file that is cut off, of another version or with values that can't be is refused, with what is
    wrong and where.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.views.cluster_file import show_cluster_file
    from godwit.formats import overview, read_saved

    screen = Screen(output)
    with screen.busy(f"reading {file}"):
        found = overview(read_saved(file))
    if screen.is_json:
        screen.document(found)
    else:
        show_cluster_file(screen, found)


def _convert(
    source: _FileArgument,
    destination: _TargetArgument,
    anonymise: _AnonymiseOption = False,
    force: _ForceOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write what is in one file to another, in the format that its name asks for.

    What the other format has no word for is left out, and said.
    """
    from godwit.cli.files import refuse_to_overwrite
    from godwit.cli.screen import Screen
    from godwit.formats import anonymised, format_named, read_saved

    screen = Screen(output)
    format_named(destination)
    refuse_to_overwrite(destination, force=force)
    with screen.busy(f"reading {source}"):
        saved = read_saved(source)
        saved = anonymised(saved) if anonymise else saved
        _write(screen, destination, saved)
    _report(screen, destination, saved)


def _write(screen: "Screen", file: Path, saved: "SavedCluster") -> None:
    from godwit.cli.files import write_file
    from godwit.formats import FileFormat, encode, format_named, losses

    raw = encode(saved.cluster, file, anonymised=saved.anonymised)
    if format_named(file) is FileFormat.HTOOLS:
        for loss in losses(saved.cluster):
            screen.note(f"left out, as the format has no word for it: {loss}")
    write_file(file, raw)


def _report(screen: "Screen", file: Path, saved: "SavedCluster") -> None:
    cluster = saved.cluster
    if screen.is_json:
        screen.document(
            {
                "path": str(file),
                "bytes": file.stat().st_size,
                "hosts": len(cluster.hosts),
                "vms": len(cluster.vms),
                "anonymised": saved.anonymised,
            }
        )
        return
    how = ", anonymised" if saved.anonymised else ""
    screen.line(f"{file}: {len(cluster.hosts)} hosts, {len(cluster.vms)} VMs{how}")
    silent = [host.name for host in cluster.hosts if host.unreachable]
    if silent:
        screen.line(f"Not answering, so without their VMs: {', '.join(silent)}", style="yellow")
