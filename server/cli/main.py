"""The commands of `slipway`. What a command needs beyond this file is imported when it is called: most need little."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from pipelines.errors import PipelineError, SystemFault
from server.cli.client.errors import BROKE, EXIT_STATUS, FAILED, ClientError
from server.cli.client.options import Json
from server.cli.client.register import register
from server.cli.client.terminal import console
from server.cli.controls import plain
from server.cli.worktree import NoWorktree, Worktree

T = TypeVar("T")

app = typer.Typer(
    help="Slipway from the terminal: runs, logs and deploys of a server, and pipelines on this machine without one.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

File = Annotated[
    Path | None, typer.Option("--file", "-f", help="The pipeline file, or a folder of them; else .slipway.yml.")
]
Where = Annotated[Path, typer.Option("--directory", "-C", help="Anywhere in the working tree.")]


register(app)


@app.command()
def lint(file: File = None, directory: Where = Path(), as_json: Json = False) -> None:
    """Check the pipeline file: the same mistakes that the server would find, at their lines."""
    from server.cli import lint as linting

    tree = _worktree(directory)
    found = linting.check(tree, tree.spec_path(file))
    linting.tell(found, as_json=as_json)
    raise typer.Exit(FAILED if found.error else 0)


@app.command()
def run(  # noqa: PLR0913, PLR0917  one option each
    stage: Annotated[
        list[str] | None, typer.Option("--stage", "-s", help="Only this stage and what it needs; may be repeated.")
    ] = None,
    event: Annotated[str, typer.Option(help="As if this had happened: push, tag, manual, schedule …")] = "push",
    ref: Annotated[str, typer.Option(help="As if on this branch, or full ref; else the branch checked out.")] = "",
    parameter: Annotated[list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE")] = None,
    secret: Annotated[
        list[str] | None, typer.Option(help="The name of a secret; its value is that variable of your environment.")
    ] = None,
    secrets_file: Annotated[Path | None, typer.Option(help="A file of NAME=VALUE lines that are secrets.")] = None,
    parallel: Annotated[int, typer.Option("--parallel", "-j", min=1, help="So many stages at once.")] = 2,
    privileged: Annotated[bool, typer.Option(help="Let stages that ask for it run privileged.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve every stage that asks for approval.")] = False,
    artifacts: Annotated[Path | None, typer.Option(help="Put what the stages keep here.")] = None,
    file: File = None,
    directory: Where = Path(),
    as_json: Json = False,
) -> None:
    """Run the pipeline of the working tree as it is, committed or not, in the containers that the server would use."""
    from server.cli.choices import Choices
    from server.cli.run import perform  # Django and the engine

    tree = _worktree(directory)
    choices = _wrong_use(
        lambda: Choices.read(
            stages=stage or (),
            event=event,
            ref=ref or tree.ref,
            parameters=parameter or (),
            secret_names=secret or (),
            secrets_file=secrets_file,
            parallel=parallel,
            is_privileged=privileged,
            approves=yes,
            artifacts=artifacts,
        )
    )
    raise typer.Exit(perform(tree, tree.spec_path(file), choices, as_json=as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the pipeline file, for editors."""
    import json

    from pipelines.spec.schema import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry of the command line: errors of ours are sentences, not traces."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="slipway")
    except ClientError as error:
        _end(str(error), error.exit_status)
    except PipelineError as error:
        _end(str(error), BROKE if isinstance(error, SystemFault) else FAILED)


def _end(told: str, status: int) -> NoReturn:
    console(to_stderr=True).print(plain(told), style="red")
    sys.exit(status)


def _worktree(directory: Path) -> Worktree:
    return _wrong_use(lambda: Worktree.around(directory))


def _wrong_use(make: Callable[[], T]) -> T:
    try:
        return make()
    except (NoWorktree, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
