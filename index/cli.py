"""`index`, the same as `posebank index`. Each command imports what it needs when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from index.console import HomeFolder, Json, echo_report, flat, print_json, print_table
from training.data.reader_options import Fold, ViewShape, given
from training.errors import PosebankError

if TYPE_CHECKING:
    from index.home import Home

app = typer.Typer(
    name="index",
    help="Build, list, inspect, verify, promote, compact and drop indexes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(help="The index.")]
Version = Annotated[str, typer.Argument(help="The version, 12 hexadecimal digits.")]
MaybeVersion = Annotated[
    str | None, typer.Argument(help="The version; the current one if left out.")
]


@app.command()
def build(
    name: Name,
    data: Annotated[
        list[Path], typer.Option(help="Root of annotated data; may be given several times.")
    ],
    encoder: Annotated[Path, typer.Option(help="Folder of the encoder.")],
    reader: Annotated[
        list[str] | None,
        typer.Option(help="Kind of the data, one for all or one for each; found by its layout."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Name of the dataset in every record; the reader's own.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Use this split only.")] = None,
    fold: Fold = None,
    view: ViewShape = None,
    fps: Annotated[
        float, typer.Option(help="Keep about this many frames a second of video; 0 keeps all.")
    ] = 5.0,
    stride: Annotated[int, typer.Option(help="Then keep every n-th frame.")] = 1,
    threads: Annotated[int | None, typer.Option(help="CPU threads of the encoder.")] = None,
    home: HomeFolder = None,
    as_json: Json = False,
) -> None:
    """Embed annotated data and make the result the index's current version.

    Killed or failed, the same command goes on where it stopped.
    """
    from rich.console import Console

    from index.build import build_index
    from index.building.progress import Bar
    from training.data.readers import open_reader
    from training.encoder import Encoder
    from training.errors import GalleryError

    kinds: list[str | None] = [*reader] if reader else [None]
    if len(kinds) == 1:
        kinds *= len(data)
    if len(kinds) != len(data):
        raise GalleryError(
            f"{len(kinds)} readers were given for {len(data)} folders of data.",
            "Give --reader once, or once for each --data.",
        )
    options = given(dataset=dataset, fold=fold, view=view)
    with Bar(Console(stderr=True)) as bar:
        result = build_index(
            _home(home),
            name,
            [open_reader(root, kind, **options) for root, kind in zip(data, kinds, strict=True)],
            Encoder.load(encoder, threads=threads),
            encoder_folder=encoder,
            split=split,
            fps=fps or None,
            stride=stride,
            observer=bar,
        )
    manifest = result.manifest
    if as_json:
        print_json(
            {
                "name": result.name,
                "version": result.version,
                "folder": str(result.folder),
                "counts": manifest.counts.model_dump(),
                "skipped": [item.model_dump() for item in manifest.report.skipped],
                "notes": list(manifest.report.notes),
                "seconds": {stage: round(value, 3) for stage, value in result.seconds.items()},
                "bottleneck": result.bottleneck,
            }
        )
        return
    counts = manifest.counts
    typer.echo(
        f"{result.name} {result.version}: {counts.views} views, {counts.sequences} sequences, "
        f"{counts.instances} instances, {counts.annotated} with a box, "
        f"in {result.seconds['total']:.1f} s (bottleneck: {result.bottleneck})"
    )
    echo_report(manifest.report.model_dump())


@app.command("list")
def list_(home: HomeFolder = None, as_json: Json = False) -> None:
    """All indexes and their versions."""
    from index.manage import versions
    from index.manifest import Manifest

    found = [
        (record, Manifest.parse(record.manifest, f"{record.name} {record.version}"))
        for record in versions(_home(home))
    ]
    if as_json:
        print_json(
            {
                "indexes": [
                    {
                        "name": record.name,
                        "version": record.version,
                        "current": record.current,
                        "created_at": record.created_at.isoformat(),
                        "views": manifest.counts.views,
                        "heads": {head: file.dim for head, file in manifest.heads.items()},
                        "encoder": manifest.encoder.identity,
                    }
                    for record, manifest in found
                ]
            }
        )
        return
    if not found:
        typer.echo("No index yet. Build one with `index build NAME --data ROOT --encoder DIR`.")
        return
    rows = [
        (
            record.name,
            record.version,
            "current" if record.current else "",
            str(manifest.counts.views),
            ", ".join(f"{head} {file.dim}" for head, file in manifest.heads.items()),
            manifest.encoder.identity[:12],
            f"{record.created_at:%Y-%m-%d %H:%M} UTC",
        )
        for record, manifest in found
    ]
    print_table(("index", "version", "", "views", "heads", "encoder", "built"), rows)


@app.command()
def inspect(
    name: Name, version: MaybeVersion = None, home: HomeFolder = None, as_json: Json = False
) -> None:
    """What one version holds: counts, heads, options, and what was skipped."""
    from index.manage import versions
    from index.manifest import Manifest
    from index.opening import unknown_index

    found = [
        record
        for record in versions(_home(home), name)
        if (record.current if version is None else record.version == version)
    ]
    if not found:
        raise unknown_index(name, version, [])
    record = found[0]
    manifest = Manifest.parse(record.manifest, f"{name} {record.version}")
    content = manifest.model_dump(mode="json")
    state = {
        "version": record.version,
        "current": record.current,
        "created_at": record.created_at.isoformat(),
        "promoted_at": record.promoted_at.isoformat() if record.promoted_at else None,
    }
    if as_json:
        print_json({**state, "manifest": content})
        return
    report = content.pop("report")
    print_table(("", name), [(key, str(value)) for key, value in flat({**state, **content})])
    echo_report(report)


@app.command()
def verify(
    name: Name, version: MaybeVersion = None, home: HomeFolder = None, as_json: Json = False
) -> None:
    """Recompute every checksum and count of one version; exit code 1 if it is damaged."""
    from index.verify import verify_version

    verdict = verify_version(_home(home), name, version)
    if as_json:
        print_json(
            {
                "name": verdict.name,
                "version": verdict.version,
                "ok": verdict.ok,
                "problems": list(verdict.problems),
                "notes": list(verdict.notes),
            }
        )
    else:
        for text in verdict.problems:
            typer.echo(f"problem: {text}")
        for text in verdict.notes:
            typer.echo(f"note: {text}")
        typer.echo(f"{name} {verdict.version}: {'whole' if verdict.ok else 'damaged'}")
    raise typer.Exit(0 if verdict.ok else 1)


@app.command()
def promote(name: Name, version: Version, home: HomeFolder = None, as_json: Json = False) -> None:
    """Verify a version and make it the current one."""
    from index import manage

    manage.promote(_home(home), name, version)
    if as_json:
        print_json({"name": name, "version": version, "current": True})
    else:
        typer.echo(f"{name} {version} is current now.")


@app.command()
def compact(name: Name, home: HomeFolder = None, as_json: Json = False) -> None:
    """Fold the views that were enrolled online into a new version and make it the current one."""
    from dataclasses import asdict

    from index import enrolment

    done = enrolment.compact(_home(home), name)
    if as_json:
        print_json(asdict(done))
    elif done.views:
        typer.echo(f"{name} {done.new} is current now: {done.old} and {done.views} views more.")
    else:
        typer.echo(f"Nothing was enrolled into {name} since {done.old} was made.")


@app.command()
def drop(
    name: Name,
    version: Version,
    force: Annotated[
        bool, typer.Option("--force", help="Even the current version, even the last.")
    ] = False,
    home: HomeFolder = None,
    as_json: Json = False,
) -> None:
    """Remove a version, and the metadata that no other version uses.

    With the last version of an index goes what was enrolled into it.
    """
    from index import manage

    dropped = manage.drop(_home(home), name, version, force)
    if as_json:
        print_json({"name": name, "version": version, "views_removed": dropped.views})
    else:
        typer.echo(f"{name} {version} is gone, and {dropped.views} views only it had.")


@app.command()
def migrate(
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for a database that is still starting.")
    ] = 0.0,
    home: HomeFolder = None,
    as_json: Json = False,
) -> None:
    """Bring the database to the newest schema; several may do it at once, one does."""
    from index.store.migrate import HEAD, migrate_once_up

    migrate_once_up(_home(home), wait)
    if as_json:
        print_json({"revision": HEAD})
    else:
        typer.echo(f"The database is at schema {HEAD}.")


def _home(path: Path | None) -> Home:
    from index.home import Home

    return Home.open(path)


def main() -> None:
    """Runs `index`; an expected error is one line and its remedy, exit code 2."""
    try:
        app()
    except PosebankError as error:
        print(f"index: {error.message}\nremedy: {error.remedy}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
