"""The market maker's commands as a newcomer runs them: one clear line and the right exit status."""

import json
import signal
import time
from pathlib import Path

import httpx
import pytest
from rig import MarketMaker, Venue, differences, mm, report, trading, wait_until, write_settings

ZERO_FEE = ("--seed", "7", "--maker-fee", "0")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Venue(tmp_path_factory.mktemp("venue"), *ZERO_FEE) as process:
        yield process


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def edit(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_missing_settings_file_is_named(command: str, tmp_path: Path) -> None:
    done = mm(tmp_path / "nowhere.toml", command)
    assert done.returncode == 2
    assert len(lines(done.stderr)) == 1
    assert "nowhere.toml: cannot be read: No such file or directory" in done.stderr


def test_an_unknown_exchange_lists_the_installed_ones_and_the_command_to_get_it(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue)
    edit(config, 'name = "binance"', 'name = "kraken"')
    done = mm(config, "run")
    assert done.returncode == 2
    assert "exchange.name" in done.stderr
    assert "installed: binance" in done.stderr
    assert "pip install opensqt-exchanges-kraken" in done.stderr
    assert len(lines(done.stderr)) == 1


def test_every_mistake_in_the_file_is_named_at_once(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue)
    edit(config, "order_quantity = 300", 'order_quantity = "much"\nbuy_windw_size = 3')
    edit(config, 'symbol = "ETHUSDT"\n', "")
    edit(config, f'secret_key = "{venue.facts["secret_key"]}"', 'secret_key = "${OPENSQT_TEST_UNSET}"')
    done = mm(config, "run")
    assert done.returncode == 2
    text = done.stderr
    assert "trading.symbol" in text
    assert "trading.order_quantity" in text
    assert "buy_windw_size" in text
    assert "buy_window_size" in text
    assert "environment variable OPENSQT_TEST_UNSET is not set" in text
    assert len(lines(text)) == 4
    assert all("market_maker.toml: " in line for line in lines(text))
    assert "Traceback" not in text


def test_a_missing_key_is_asked_for(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue)
    edit(config, f'api_key = "{venue.facts["api_key"]}"\n', "")
    edit(config, f'secret_key = "{venue.facts["secret_key"]}"\n', "")
    done = mm(config, "run")
    assert done.returncode == 2
    assert "binance.api_key" in done.stderr
    assert len(lines(done.stderr)) == 1


def test_a_venue_that_cannot_be_reached_is_said_so(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue, binance={"rest_url": "http://127.0.0.1:9"})
    done = mm(config, "run")
    assert done.returncode == 2
    assert "can't be reached" in done.stderr
    assert "rest_url" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_secret_is_said_so_and_not_shown(command: str, venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue, binance={"secret_key": "a-secret-that-is-wrong"})
    done = mm(config, command)
    assert done.returncode == 2
    assert "does not accept the key" in done.stderr
    assert "a-secret-that-is-wrong" not in done.stderr + done.stdout
    assert len(lines(done.stderr)) == 1


def test_an_unknown_symbol_names_near_ones(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue, trading={"symbol": "ETHUSD"})
    done = mm(config, "run")
    assert done.returncode == 2
    assert "trading.symbol" in done.stderr
    assert "ETHUSDT" in done.stderr


def test_an_interval_that_does_not_earn_its_fees_is_refused_with_one_that_does(tmp_path: Path) -> None:
    with Venue(tmp_path, "--seed", "7") as costly:
        config = write_settings(tmp_path, costly, trading={"price_interval": 0.5})
        done = mm(config, "run")
        assert done.returncode == 5
        assert len(lines(done.stderr)) == 1
        assert "price_interval 0.5 does not cover both fees of 0.02 %" in done.stderr
        words = done.stderr.split("use price_interval ")[1].split(" ")
        assert costly.ledger()["orders"] == []
        edit(config, "price_interval = 0.5", f"price_interval = {words[0]}")
        assert mm(config, "check").returncode == 0
        edit(config, f"price_interval = {words[0]}", f"price_interval = {float(words[0]) - 0.1:.2f}")
        assert mm(config, "check").returncode == 5


def test_check_shows_every_rule(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue)
    done = mm(config, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    rules = json.loads(mm(config, "check", "--json").stdout)
    assert {"fees", "leverage", "margin", "liquidation", "order_size", "clock"} <= {each["rule"] for each in rules}
    assert all(each["rule"] in done.stdout for each in rules)


def test_report_and_status_say_when_there_is_no_journal(venue: Venue, tmp_path: Path) -> None:
    config = write_settings(tmp_path, venue)
    for command in ("report", "status"):
        done = mm(config, command)
        assert done.returncode == 2
        assert "no such journal" in done.stderr
        assert len(lines(done.stderr)) == 1


def test_status_shows_a_running_market_maker_and_a_stopped_one(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own)
        with trading(config) as market_maker:
            wait_until("orders rest", lambda: own.ledger()["orders"])
            wait_until("the grid is whole", lambda: "BUY_OPEN" in mm(config, "status").stdout)
            view = json.loads(mm(config, "status", "--json").stdout)
            assert view["symbol"] == "ETHUSDT"
            assert view["state"] == "running"
            assert "account" in {stream["name"] for stream in view["streams"]}
            assert report(config)["state"] == "running"
            assert market_maker.stop() == 0
        assert json.loads(mm(config, "status", "--json").stdout)["state"] == "stopped"
        assert report(config)["state"] == "stopped"
        assert mm(config, "report").returncode == 0
        orders = own.ledger()["orders"]
        assert orders
        assert all(order["status"] != "NEW" for order in orders)


def test_one_journal_and_one_market_have_one_market_maker(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own)
        with trading(config) as market_maker:
            wait_until("orders rest", lambda: own.ledger()["orders"])
            second = mm(config, "run")
            assert second.returncode == 3
            assert "is in use by another process" in second.stderr
            (tmp_path / "other").mkdir()
            other = write_settings(tmp_path / "other", own)
            third = mm(other, "run")
            assert third.returncode == 3
            assert "ETHUSDT of this account at binance is in use" in third.stderr
            assert market_maker.stop() == 0


def test_a_journal_of_another_grid_is_refused_with_both_values(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own)
        with trading(config) as market_maker:
            wait_until("orders rest", lambda: own.ledger()["orders"])
            assert market_maker.stop() == 0
        edit(config, "price_interval = 1.0", "price_interval = 2.0")
        done = mm(config, "run")
        assert done.returncode == 2
        assert "price_interval 1.0" in done.stderr
        assert "2.0" in done.stderr


def test_orders_of_another_instance_forbid_the_start_until_they_are_taken_over(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own)
        with trading(config) as market_maker:
            wait_until("orders rest", lambda: own.ledger()["orders"])
            market_maker.kill()
        (tmp_path / "other").mkdir()
        other = write_settings(tmp_path / "other", own)
        # A leftover order may fill at any moment, so the position is always allowed.
        arguments = ["--adopt-position"]
        done = mm(other, "run", *arguments)
        assert done.returncode == 3
        assert "belongs to another instance" in done.stderr
        assert "--take-over" in done.stderr
        foreign = {each["client_order_id"] for each in own.ledger()["orders"]}
        with trading(other, "--take-over", *arguments) as market_maker:

            def taken_over() -> bool:
                orders = own.ledger()["orders"]
                ours = [each for each in orders if each["client_order_id"] not in foreign]
                resting = [each for each in orders if each["client_order_id"] in foreign and each["status"] == "NEW"]
                return bool(ours) and not resting

            wait_until("the other's orders are gone and ours rest", taken_over)
            assert market_maker.stop() == 0


def test_a_position_without_a_journal_is_refused_or_adopted(tmp_path: Path) -> None:
    with Venue(tmp_path, "--seed", "7", "--maker-fee", "0", "--speed", "10") as own:
        config = write_settings(tmp_path, own, trading={"price_interval": 0.5})
        with trading(config) as market_maker:
            wait_until("something is held", lambda: any(float(p["quantity"]) for p in own.ledger()["positions"]))
            market_maker.stop()
        held = own.ledger()["positions"]
        if not any(float(each["quantity"]) for each in held):
            pytest.skip("the market sold everything before it was stopped")
        (tmp_path / "other").mkdir()
        other = write_settings(tmp_path / "other", own, trading={"price_interval": 0.5})
        done = mm(other, "run")
        assert done.returncode == 2
        assert "--adopt-position" in done.stderr
        with trading(other, "--adopt-position") as market_maker:
            wait_until("it sells what was adopted", lambda: _resting_sells(own))
            assert market_maker.stop() == 0
        told = report(other)
        assert any(slot["held"] != "0" for slot in told["slots"]) or told["trips"]


def _resting_sells(venue: Venue) -> bool:
    return any(each["side"] == "sell" and each["status"] == "NEW" for each in venue.ledger()["orders"])


def test_orders_may_be_left_at_exit_and_are_found_again(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own, system={"cancel_on_exit": "none"})
        with trading(config) as market_maker:
            wait_until("orders rest", lambda: len(own.ledger()["orders"]) >= 8)
            assert market_maker.stop() == 0
        left = set(report(config)["open_orders"])
        status = {each["client_order_id"]: each["status"] for each in own.ledger()["orders"]}
        assert left
        # The market goes on: what was left may have filled since.
        assert {status[cid] for cid in left} <= {"NEW", "PARTIALLY_FILLED", "FILLED"}
        assert {cid for cid, word in status.items() if word == "NEW"} <= left
        edit(config, 'cancel_on_exit = "none"', "cancel_on_exit = true")
        with trading(config) as market_maker:
            wait_until("it trades again", lambda: '"event": "trading"' in market_maker.text().split("stopping")[-1])
            time.sleep(0.5)
            assert market_maker.stop() == 0
        assert differences(own.ledger(), report(config)) == []


def test_orders_that_cannot_be_confirmed_are_listed_with_status_4(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own, binance={"request_timeout": 1})
        with trading(config) as market_maker:
            wait_until("orders rest", lambda: len(own.ledger()["orders"]) >= 8)
            venue_gone = own.fault(
                "refuse", endpoint="cancel_batch", code=-1001, http=503, message="Service Unavailable."
            )
            assert venue_gone["id"]
            own.fault("refuse", endpoint="cancel", code=-1001, http=503, message="Service Unavailable.")
            began = time.monotonic()
            assert market_maker.stop(within=30) == 4
            assert time.monotonic() - began < 20
        assert "stopped with orders unconfirmed" in market_maker.text()


def test_a_second_signal_ends_the_clean_up(tmp_path: Path) -> None:
    with Venue(tmp_path, *ZERO_FEE) as own:
        config = write_settings(tmp_path, own)
        with MarketMaker(config) as market_maker:
            wait_until("orders rest", lambda: len(own.ledger()["orders"]) >= 8)
            for endpoint in ("cancel", "cancel_batch"):
                own.fault("refuse", endpoint=endpoint, code=-1001, http=503, message="Service Unavailable.")
            market_maker.popen.send_signal(signal.SIGINT)
            wait_until("the first signal is taken", lambda: "stopping" in market_maker.text())
            market_maker.popen.send_signal(signal.SIGINT)
            assert market_maker.popen.wait(timeout=20) == 4


def test_the_simulator_is_a_venue_of_its_own(venue: Venue) -> None:
    """Sanity of the rig: what the tests compare with answers."""
    assert httpx.get(venue.facts["rest"] + "/fapi/v1/time", timeout=5).status_code == 200
