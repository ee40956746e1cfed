"""Seconds, energy and money: where each number comes from."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pytest

from jangin import meter, prices
from jangin.errors import InputError
from jangin.meter import Meter, machine_price, per_thousand


def work() -> int:
    return sum(i * i for i in range(300_000))


def domain(root: Path, name: str, joules: float, wraps: float = 1000.0) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(str(int(joules * 1e6)))
    (folder / "max_energy_range_uj").write_text(str(int(wraps * 1e6)))
    return folder


def test_without_counters_energy_is_modelled_from_cpu_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "POWERCAP", tmp_path / "none")
    with Meter() as m:
        work()
    assert m.seconds > 0
    assert m.cpu_seconds > 0
    assert m.energy_wh == pytest.approx((m.cpu_seconds * 4 + m.seconds * 10) / 3600)
    assert m.method == (
        "modelled as CodeCarbon does for unknown processors: 4 W x cpu seconds, plus 10 W for memory; without idle "
        "processor, power supply and cooling"
    )


def test_the_work_of_other_threads_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "POWERCAP", tmp_path / "none")
    with Meter() as alone:
        work()
    with Meter() as both:
        thread = threading.Thread(target=lambda: [work() for _ in range(8)])
        thread.start()
        thread.join()
    assert both.cpu_seconds > 2 * alone.cpu_seconds


def test_counters_of_all_packages_are_added_and_parts_of_a_package_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "POWERCAP", tmp_path)
    first, second = domain(tmp_path, "intel-rapl:0", 100), domain(tmp_path, "intel-rapl:1", 50)
    domain(tmp_path, "intel-rapl:0:0", 80)
    with Meter() as m:
        (first / "energy_uj").write_text(str(int(136e6)))
        (second / "energy_uj").write_text(str(int(86e6)))
    assert m.energy_wh == pytest.approx(72 / 3600)
    assert m.method == "measured: RAPL (Intel/AMD powercap), whole package, without memory"


def test_a_counter_that_wraps_is_read_through(tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "POWERCAP", tmp_path)
    folder = domain(tmp_path, "intel-rapl:0", 990, wraps=1000)
    with Meter() as m:
        (folder / "energy_uj").write_text(str(int(26e6)))
    assert m.energy_wh == pytest.approx(36 / 3600)


def test_the_price_of_an_hour_is_stated_by_flag_variable_or_default(monkeypatch):
    monkeypatch.setenv("JANGIN_USD_PER_HOUR", "0.5")
    assert machine_price(2.0).value == 2.0
    assert machine_price().value == 0.5
    assert machine_price().method == "stated by the user"
    monkeypatch.delenv("JANGIN_USD_PER_HOUR")
    assumed = machine_price()
    assert assumed.value is not None
    assert assumed.value > 0
    assert assumed.method.startswith("assumed: ")


@pytest.mark.parametrize("value", ["free", "0", "-1", "nan", "inf"])
def test_a_price_that_is_none_is_refused(monkeypatch, value):
    monkeypatch.setenv("JANGIN_USD_PER_HOUR", value)
    with pytest.raises(InputError) as caught:
        machine_price()
    assert str(caught.value) == f"the price of an hour is {value}; expected US dollars above 0\n  try: use 0.08, say"


def test_a_thousand_requests_cost_their_share_of_an_hour():
    assert per_thousand(0.36, 100) == pytest.approx(0.001)


def test_prices_are_dated_and_need_no_network(monkeypatch):
    import socket

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a price was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = prices.token_price("gpt-4", "openai", date(2026, 11, 23))
    assert found is not None
    assert (found.input, found.output, found.date) == (30.0, 60.0, "2026-11-23")
    assert found.source.startswith("genai-prices ")


def test_a_model_that_nobody_prices_has_no_price():
    assert prices.token_price("a-model-of-my-own", None, date(2026, 11, 23)) is None


def test_the_cheap_tier_is_the_cheaper_of_its_models():
    found = prices.cheapest(date(2026, 11, 23))
    assert (found.input, found.output) == (0.1, 0.5)


def test_a_korean_character_is_counted_as_a_token_and_four_latin_ones_as_one():
    assert prices.estimated_tokens(["abcd", "가나다라"]) == pytest.approx(2.5)


def test_break_even_is_where_the_month_costs_the_same():
    found = prices.break_even("an API", 0.01, 0.1, rows_per_s=10, training_usd=27.0)
    assert found.requests == 10_000  # (27 + 73) / 0.01
    assert found.says == "Against an API: Owning is cheaper from 10,000 requests a month."


def test_a_volume_beyond_one_machine_pays_for_more_of_them():
    one_month = 0.1 * 730
    capacity = 0.001 * 3600 * 730  # 2,628 requests a machine
    found = prices.break_even("an API", 0.03, 0.1, rows_per_s=0.001, training_usd=20.0)
    machines = 4  # each earns 2,628 x 0.03 - 73 = 5.84 dollars; four of them pay for the training
    assert found.requests == round((20 + machines * one_month) / 0.03 + 0.5)
    assert found.requests <= machines * capacity


def test_a_machine_too_slow_for_the_price_never_pays():
    found = prices.break_even("an API", 0.0001, 0.1, rows_per_s=0.1, training_usd=1.0)
    assert found.requests is None
    assert found.says == "Against an API: At no volume does this machine become cheaper."


def test_it_says_plainly_when_replacing_is_not_worth_it():
    found = prices.break_even("an API", 0.001, 0.1, rows_per_s=10, training_usd=0.0, monthly_requests=1_000)
    assert found.says == (
        "Against an API, at 1,000 requests a month, replacing is NOT worth it on price alone: the first month costs "
        "73.00 USD owned (machine and training) and 1.00 USD rented. Owning is cheaper from 73,000 requests a month."
    )


def test_it_says_plainly_when_replacing_is_worth_it():
    found = prices.break_even("an API", 0.001, 0.1, rows_per_s=10, training_usd=0.0, monthly_requests=1_000_000)
    assert "replacing is worth it: the first month costs 73.00 USD owned" in found.says
