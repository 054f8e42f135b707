"""The command `opensqt-sim`."""

import importlib.metadata
import json
import logging
import secrets
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

import click
import structlog
import trio

from opensqt_core.clock import SystemClock
from opensqt_sim.markets.files import MarketFileError
from opensqt_sim.rules import AccountSettings
from opensqt_sim.serving import ServeSettings, serve_venues
from opensqt_sim.setup import MarketWish, SetupError
from opensqt_sim.venues.registry import VENUES, Credentials

_MISTAKE = 2
"""Exit status for what the user got wrong."""


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise click.BadParameter(f"{text!r} is not a number")
    return value


def _positive(text: str) -> Decimal:
    value = _number(text)
    if value <= 0:
        raise click.BadParameter(f"{text} is not above zero")
    return value


def _rate(text: str) -> Decimal:
    value = _number(text)
    if not -1 < value < 1:
        raise click.BadParameter(f"{text} is not a fraction between -1 and 1")
    return value


def _speed(text: str) -> Decimal | None:
    return None if text == "max" else _positive(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("opensqt-sim"), prog_name="opensqt-sim")
def cli() -> None:
    """Simulated exchanges that speak the real ones' wire protocols, for tests, demos and paper trading."""


@cli.command()
@click.option(
    "--venue", type=click.Choice(sorted(VENUES)), default="binance", show_default=True, help="Whose dialect to speak."
)
@click.option("--symbol", default="ETHUSDT", show_default=True, help="What is traded there.")
@click.option(
    "--trades",
    type=_FILE,
    help="Replay these trades (Binance's aggTrades CSV, plain or .gz) instead of a synthetic market.",
)
@click.option(
    "--bbo",
    type=_FILE,
    help="Best bids and offers that belong to --trades (Binance's bookTicker CSV): they drive the touch.",
)
@click.option(
    "--klines",
    type=_FILE,
    help="1m candles before the first trade (Binance's klines CSV); without them the past is made up.",
)
@click.option(
    "--instrument", type=_FILE, help="The symbol's rules (JSON or TOML): tick_size, lot_size, min_notional and others."
)
@click.option(
    "--speed",
    type=_speed,
    metavar="NUMBER|max",
    default="1",
    show_default=True,
    help="Market seconds per second, or max. Signatures, limits and heartbeats keep to the wall clock.",
)
@click.option(
    "--lockstep",
    is_flag=True,
    help="Release one trade for each POST <control>/step; the very first has happened at the start.",
)
@click.option(
    "--start-on-subscribe",
    is_flag=True,
    help="Begin the market at the first subscription of best bid and offer, or at POST <control>/start.",
)
@click.option(
    "--shift-to-now", is_flag=True, help="Let recorded trades happen now (to the minute) instead of when they did."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the synthetic market and of a made-up past.")
@click.option("--price", type=_positive, metavar="NUMBER", help="Where a synthetic market starts.")
@click.option(
    "--balance", type=_positive, metavar="NUMBER", default="10000", show_default=True, help="The wallet at the start."
)
@click.option(
    "--maker-fee",
    type=_rate,
    metavar="RATE",
    default="0.0002",
    show_default=True,
    help="Fraction of the notional; negative is a rebate.",
)
@click.option(
    "--taker-fee", type=_rate, metavar="RATE", default="0.0005", show_default=True, help="Fraction of the notional."
)
@click.option(
    "--leverage", type=click.IntRange(1, 125), default=5, show_default=True, help="Of the account, on every symbol."
)
@click.option(
    "--listen",
    type=_address,
    metavar="HOST:PORT",
    default="127.0.0.1:0",
    show_default=True,
    help="Where REST and WebSocket are served; port 0 is any free one.",
)
@click.option(
    "--control-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the control interface, on the same host; 0 is any free one.",
)
@click.option("--api-key", help="What clients must present; random if not given.")
@click.option("--secret-key", help="What clients must sign with; random if not given.")
@click.option(
    "--legacy-routes",
    is_flag=True,
    help="Also serve what the venue has retired (Binance: /ws and /stream without a route).",
)
@click.option("-v", "--verbose", is_flag=True, help="Log debugging detail too.")
def serve(**options: Any) -> None:
    """Serve a simulated venue until SIGINT or SIGTERM.

    The first line on standard output is JSON: where it listens, the keys, and the control interface. Logs go to
    standard error. Exit status 0, or 2 with one line on standard error if something you gave is wrong.
    """
    _configure_logging(verbose=options["verbose"])
    trio.run(_until_signal, _settings(options))


def _settings(options: dict[str, Any]) -> ServeSettings:
    api_key = options["api_key"] or secrets.token_hex(32)
    if not (api_key.isascii() and api_key.isalnum()):
        raise click.BadParameter("only letters and digits", param_hint="--api-key")
    host, port = options["listen"]
    wish = MarketWish(
        symbol=options["symbol"].upper(),
        trades=options["trades"],
        quotes=options["bbo"],
        klines=options["klines"],
        instrument=options["instrument"],
        seed=options["seed"],
        price=options["price"],
        shift_to_now=options["shift_to_now"],
    )
    account = AccountSettings(
        balance=options["balance"],
        maker_fee=options["maker_fee"],
        taker_fee=options["taker_fee"],
        leverage=options["leverage"],
    )
    return ServeSettings(
        venue=options["venue"],
        markets=(wish,),
        account=account,
        credentials=Credentials(api_key=api_key, secret_key=options["secret_key"] or secrets.token_hex(32)),
        host=host,
        port=port,
        control_port=options["control_port"],
        speed=options["speed"],
        lockstep=options["lockstep"],
        start_on_subscribe=options["start_on_subscribe"],
        legacy_routes=options["legacy_routes"],
    )


async def _until_signal(settings: ServeSettings) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_venues, [settings], SystemClock(), _announce)
            async for number in signals:
                nursery.cancel_scope.cancel(reason=signal.Signals(number).name)
                break


def _announce(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document))
    sys.stdout.flush()


def _configure_logging(*, verbose: bool) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False) if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def main() -> None:
    """Run the command; every mistake of the user is one line and exit status 2."""
    try:
        sys.exit(_run())
    except click.ClickException as error:
        _die(error.format_message())


def _run() -> int:
    mistake: str | None = None
    try:
        status = cli.main(standalone_mode=False)
    except* (SetupError, MarketFileError) as group:
        mistake = _first(group)
    if mistake is not None:
        _die(mistake)
    return status or 0


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _die(message: str) -> NoReturn:
    click.echo(f"opensqt-sim: {' '.join(message.split())}", err=True)
    sys.exit(_MISTAKE)
