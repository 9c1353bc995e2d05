"""`posebank keys`: who may ask a server. Takes effect in running servers within a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from index.console import HomeFolder, Json

if TYPE_CHECKING:
    from index.keys import KeyRecord, Keys

app = typer.Typer(
    name="keys",
    help="Make, list and revoke API keys.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is; shown in refusals and the log.")],
    scope: Annotated[
        str,
        typer.Option(
            help="What it opens, by commas: query (ask and look), enrol (add and delete views), "
            "admin (metrics)."
        ),
    ] = "query",
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="The only dataset it may see; may be given several times. Default: all."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Requests a minute it may send. Default: no limit.")
    ] = None,
    home: HomeFolder = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once. The database keeps a hash of it."""
    from index.console import print_json

    scopes = [part.strip() for part in scope.split(",")]
    record, text = _keys(home).create(name, scopes, dataset or None, rate)
    if as_json:
        print_json({**_plain(record), "key": text})
        return
    typer.echo(text)
    typer.echo(f"Keep it now: it cannot be shown again. Revoke it by its id {record.id}.", err=True)


@app.command("list")
def list_(home: HomeFolder = None, as_json: Json = False) -> None:
    """All keys, by what they open; never the keys themselves."""
    from index.console import print_json, print_table

    found = _keys(home).all()
    if as_json:
        print_json({"keys": [_plain(key) for key in found]})
        return
    if not found:
        typer.echo("No key yet. Make one with `posebank keys create NAME --scope query`.")
        return
    rows = [
        (
            key.id,
            key.name,
            ", ".join(key.scopes),
            "all" if key.datasets is None else ", ".join(key.datasets),
            "" if key.rate_per_minute is None else str(key.rate_per_minute),
            f"{key.created_at:%Y-%m-%d %H:%M} UTC",
            "" if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%d %H:%M} UTC",
        )
        for key in found
    ]
    print_table(("id", "name", "scopes", "datasets", "a minute", "made", "revoked"), rows)


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The id that `posebank keys list` shows.")],
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="Remove its row too. Once none is left, a server on 127.0.0.1 asks for no key.",
        ),
    ] = False,
    home: HomeFolder = None,
    as_json: Json = False,
) -> None:
    """Let a key open nothing any more."""
    from index.console import print_json

    keys = _keys(home)
    record = keys.revoke(id, forget)
    if as_json:
        print_json(_plain(record))
        return
    typer.echo(f"The key {record.id} of {record.name} opens nothing any more.")
    if not keys.all():
        typer.echo("It was the last one: a server on 127.0.0.1 asks for no key from now on.")


def _keys(home: Path | None) -> Keys:
    from index.home import Home
    from index.keys import Keys

    return Keys(Home.open(home))


def _plain(key: KeyRecord) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "datasets": None if key.datasets is None else list(key.datasets),
        "rate_per_minute": key.rate_per_minute,
        "created_at": key.created_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }
