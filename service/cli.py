"""The command `posebank`. Each command's code is imported only when that command runs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from training.errors import PosebankError

MOUNTED = {
    "keys": ("service.keys_cli", None, "Make, list and revoke API keys."),
    "index": ("index.cli", None, "Build, list, inspect, verify, promote and drop indexes."),
    "train": ("training.cli", "train", "Train an encoder from a recipe."),
    "render": ("training.cli", "render", "Render annotated sequences in Objectron's own files."),
    "evaluate": ("index.evaluation.cli", None, "Measure an encoder by a published protocol."),
}
"""command → (module that has the typer app ``app``, its command or None for the whole, help)."""

EXTRA_OF = {"torch": "train", "torchvision": "train", "lightning": "train", "moderngl": "render"}


class LazyCommand(TyperCommand):
    """Stands in the help; gives way to the command of another room when it is run."""

    def __init__(self, name: str, module: str, member: str | None, help: str) -> None:
        super().__init__(name, help=help, add_help_option=False)
        self._module, self._member = module, member

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """The context of the real command."""
        command: Any = typer.main.get_command(importlib.import_module(self._module).app)
        if self._member is not None and isinstance(command, TyperGroup):
            command = command.commands[self._member]
        return command.make_context(info_name, args, parent=parent, **extra)


class RootGroup(TyperGroup):
    """The commands of the service, then those of the other rooms."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (module, member, help) in MOUNTED.items():
            self.add_command(LazyCommand(name, module, member, help), name)


app = typer.Typer(
    name="posebank",
    cls=RootGroup,
    help="Pose-informed embeddings from unlabelled video, and answers about a crop by retrieval.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def root() -> None:
    """Pose-informed embeddings from unlabelled video, and answers about a crop by retrieval."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the indexes.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Folder of the encoder.")] = None,
    index: Annotated[str | None, typer.Option(help="Index asked by default.")] = None,
    sample: Annotated[
        Path | None,
        typer.Option(help="Folder like examples/: its index is built if the home has none."),
    ] = None,
) -> None:
    """Serve the API and the page."""
    from service.serve import serve as run
    from service.settings import load_settings
    from service.workers import leave_abandoned

    settings = load_settings(
        host=host,
        port=port,
        home=home,
        encoder=encoder,
        default_index=index,
        samples=None if sample is None else sample / "queries",
    )
    run(settings, sample)
    leave_abandoned()


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder of the indexes.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Folder of the encoder.")] = None,
) -> None:
    """Say what is installed, what will be used, and what is wrong with the remedy."""
    from service.doctor import examine, show
    from service.settings import load_settings

    report = examine(load_settings(home=home, encoder=encoder))
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        show(report)
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def version() -> None:
    """Print the version."""
    from service.version import VERSION

    typer.echo(VERSION)


def main() -> None:
    """Runs `posebank`; an expected error is one line and its remedy, exit code 2."""
    try:
        app()
    except PosebankError as error:
        print(f"posebank: {error.message}\nremedy: {error.remedy}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(
            f"posebank: this command needs {error.name}, which is not installed.\n"
            f"remedy: pip install -c constraints.txt -e '.[{extra}]'",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
