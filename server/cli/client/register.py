"""Which commands speak with a server, in the order of `--help`."""

import typer

from server.cli.client.verbs import (
    approve,
    cancel,
    deploy,
    env,
    login,
    logs,
    open,
    projects,
    releases,
    rerun,
    rollback,
    runs,
    trigger,
    watch,
)


def register(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command()(login.login)
    app.command()(login.logout)
    app.command()(projects.projects)
    app.command()(runs.runs)
    app.command()(watch.watch)
    app.command()(logs.logs)
    app.command()(trigger.trigger)
    app.command()(cancel.cancel)
    app.command()(rerun.rerun)
    app.command()(approve.approve)
    app.command()(releases.releases)
    app.command()(deploy.deploy)
    app.command()(rollback.rollback)
    app.add_typer(env.app, name="env")
    app.command("open")(open.open_page)
