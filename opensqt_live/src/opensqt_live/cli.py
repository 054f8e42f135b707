"""`opensqt-live`: the command line. Parses, calls, prints, and turns outcomes into exit statuses; nothing else."""

import gc
import sys
from pathlib import Path

import attrs
import click
import msgspec
import trio

import opensqt_live
from opensqt_core.log import configure_logging
from opensqt_live import daemon
from opensqt_live.check_settings import check_settings
from opensqt_live.exits import ExitStatus, StartRefused, first_refusal
from opensqt_live.loading import Loaded, load


class _Port(click.ParamType[int]):
    """A port as people write it: `8081` or `:8081`."""

    name = "port"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).removeprefix(":")
        if not (text.isascii() and text.isdecimal() and int(text) <= 65_535):
            self.fail(f"expected a port from 0 to 65535, got {value!r}", param, ctx)
        return int(text)


_config = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("live_server.toml"),
    show_default=True,
    help="The settings file.",
)


def main() -> None:
    """Run the command line; the console script's entry point."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.USER_MISTAKE)
    except click.Abort:
        sys.exit(130)
    except StartRefused as error:
        _complain(error)
    except BaseExceptionGroup as group:
        refusals = group.subgroup(StartRefused)
        if refusals is None:
            raise
        _complain(first_refusal(refusals))
    sys.exit(status or ExitStatus.FINE)


def _complain(error: StartRefused) -> None:
    for line in error.lines:
        click.echo(f"opensqt-live: {line}", err=True)
    sys.exit(error.status)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "OPENSQT_LIVE"})
@click.version_option(opensqt_live.__version__, prog_name="opensqt-live")
def cli() -> None:
    """Shows an audience what a market maker does, in browsers.

    Exit statuses: 0 fine, 1 a fault of ours, 2 a mistake in settings or arguments.
    """


@cli.command()
@_config
@click.option("--port", "-p", type=_Port(), metavar="[:]PORT", help="Where to listen; [server] port otherwise.")
@click.option("--host", help="The address to listen on; [server] host otherwise.")
def run(config: Path, port: int | None, host: str | None) -> ExitStatus:
    """Serve the page and its data until Ctrl-C or SIGTERM; a second signal ends at once."""
    loaded = _at(load(config), host, port)
    configure_logging(loaded.settings.logging.level, loaded.settings.logging.format)
    # Measured with 100 to 5,000 viewers: with the default thresholds the garbage collector makes broadcasting to a task
    # per viewer cost 1.5 to 2.1 times more CPU.
    gc.set_threshold(100_000, 50, 1000)
    return trio.run(daemon.run, loaded)


@cli.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def check(config: Path, *, as_json: bool) -> ExitStatus:
    """Check settings, exchange, symbol and key without serving anything."""
    loaded = load(config)
    # What is tried again on the way is no finding.
    configure_logging("error", loaded.settings.logging.format)
    findings = trio.run(check_settings, loaded)
    if as_json:
        click.echo(msgspec.json.encode(list(findings)).decode())
    else:
        for each in findings:
            click.echo(f"ok   {each.rule:<9} {each.text}")
    return ExitStatus.FINE


def _at(loaded: Loaded, host: str | None, port: int | None) -> Loaded:
    """Return the settings with what the command line says of where to listen."""
    server = loaded.settings.server
    server = attrs.evolve(server, host=host or server.host, port=server.port if port is None else port)
    return attrs.evolve(loaded, settings=attrs.evolve(loaded.settings, server=server))
