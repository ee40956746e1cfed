"""Seconds, joules and money, each with how it was obtained. Nothing here opens a connection."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from jangin.bases.machine import available_cores
from jangin.errors import InputError

POWERCAP = Path("/sys/class/powercap")
# CodeCarbon's model of a process: a processor that is not in its table uses 4 W a thread, and memory up to 16 GB
# counts as two modules of 5 W, all the time (docs/decisions/0004-energy.md).
WATTS_PER_THREAD, MEMORY_WATTS = 4.0, 10.0
USD_PER_CORE_HOUR = 0.04  # on-demand list prices of general-purpose virtual machines lie around it
HOURS_PER_MONTH = 730


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number that can be asked where it comes from. `value` None: not known, and `method` says why."""

    value: float | None
    unit: str
    method: str
    date: str | None = None


class Meter:
    """`with Meter() as m:` leaves seconds, cpu_seconds, energy_wh and `method`, which says where the energy came from.

    Measured energy is that of the whole package or card, other processes included; modelled energy is this process's
    and its finished children's share.
    """

    seconds = cpu_seconds = energy_wh = 0.0
    method = ""

    def __enter__(self) -> Meter:
        self._rapl, self._gpu = _rapl(), _gpu_joules()
        self._cpu, self._start = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.read()

    def read(self) -> None:
        """Brings the figures up to now; leaving the block does it once more."""
        self.seconds = time.perf_counter() - self._start
        self.cpu_seconds = _cpu_seconds() - self._cpu
        gpu_now = _gpu_joules()
        gpu = gpu_now - self._gpu if gpu_now is not None and self._gpu is not None else None
        if self._rapl:
            joules = sum(_since(before, wraps, path) for path, (before, wraps) in self._rapl.items())
            self.method = "measured: RAPL (Intel/AMD powercap), whole package, without memory"
        else:
            joules = self.cpu_seconds * WATTS_PER_THREAD + self.seconds * MEMORY_WATTS
            self.method = (
                f"modelled as CodeCarbon does for unknown processors: {WATTS_PER_THREAD:g} W x cpu seconds, plus "
                f"{MEMORY_WATTS:g} W for memory; without idle processor, power supply and cooling"
            )
        if gpu is not None:
            joules += gpu
            self.method += "; plus measured: NVML, whole card"
        self.energy_wh = joules / 3600


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _rapl() -> dict[Path, tuple[int, int]]:
    """Package domain -> (microjoules now, where the counter wraps); empty where the machine does not show them."""
    found = {}
    for domain in sorted(POWERCAP.glob("intel-rapl:*")):
        if domain.name.count(":") == 1:  # sub-domains are parts of their package
            try:
                limit = int((domain / "max_energy_range_uj").read_text())
                found[domain] = (int((domain / "energy_uj").read_text()), limit)
            except (OSError, ValueError):
                return {}
    return found


def _since(before: int, wraps: int, domain: Path) -> float:
    """Joules since then; the counter is taken to have wrapped at most once."""
    now = int((domain / "energy_uj").read_text())
    return (now - before if now >= before else now + wraps - before) / 1e6


def _gpu_joules() -> float | None:
    """What all NVIDIA cards have used since their driver was loaded; None without a card or its library."""
    if not Path("/dev/nvidiactl").exists():
        return None
    try:
        import pynvml  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(card) for card in cards) / 1000
    except pynvml.NVMLError:
        return None


def machine_price(usd_per_hour: float | None = None) -> Figure:
    """US dollars per hour of this machine: as given, else JANGIN_USD_PER_HOUR, else 0.04 per usable core.

    Raises: InputError for a variable that is not a positive number.
    """
    named = os.environ.get("JANGIN_USD_PER_HOUR")
    if usd_per_hour is None and named:
        try:
            usd_per_hour = float(named)
        except ValueError:
            usd_per_hour = -1.0
    if usd_per_hour is not None:
        if not 0 < usd_per_hour < 1e6:
            shown = named if named else f"{usd_per_hour:g}"
            raise InputError(f"the price of an hour is {shown}; expected US dollars above 0", "use 0.08, say")
        return Figure(usd_per_hour, "USD per hour", "stated by the user")
    cores = available_cores()
    method = f"assumed: {cores} cores x {USD_PER_CORE_HOUR} USD per core-hour; state your own by JANGIN_USD_PER_HOUR"
    return Figure(round(cores * USD_PER_CORE_HOUR, 6), "USD per hour", method)


def per_thousand(usd_per_hour: float, rows_per_s: float) -> float:
    """US dollars per 1,000 requests on a machine that is kept busy at that rate."""
    return usd_per_hour / 3600 * 1000 / rows_per_s
