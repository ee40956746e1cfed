"""The router on clinc150: its 150 intents divided by domain among 10 specialists, and messages that are for none.

    python bench/router.py DATA [--work DIR] [--rungs minilm-l6-q8] [--rounds 400]

DATA is a folder with `clinc150` in it (`train`, `validation` and `test`, each `.jsonl.gz`: rows of `input` and
`output`, `oos` being for none). Each domain becomes a task of its own, trained as any other; the router is fitted on
the profiles that packing left beside the bundles, and asked with the test's 4,500 messages in scope and 1,000 out of
it. Rows that are out of scope are in no specialist's data. The form of the router, and where a scope ends, were chosen
on validation, its 100 rows out of scope included; the test had no part in it. Limits are two-sided, 95 %.

The cost of a decision is measured in this process, on the engine that serves: one text asked of a specialist by name
and the same text asked of `auto`, in turns. The domains are those of the data set's paper (Larson et al. 2019, table of
intents).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jangin.evals.stats import exact_limits
from jangin.models.encoder import Encoder, base_files
from jangin.models.specialist import load
from jangin.routing.heads import file_name
from jangin.routing.profile import read_profile
from jangin.routing.router import REFUSED, Router
from jangin.serve.engine import Engine
from jangin.serve.frames import Ask, Direct, Fit, Load, Loaded, Order, Report
from jangin.train.climb import train

RESULT = Path(__file__).resolve().parent.parent / "docs" / "results" / "router.json"
BASE, ALPHA = "minilm-l6-q8", 0.025
DOMAINS = {
    "banking": "freeze_account routing pin_change bill_due pay_bill account_blocked interest_rate min_payment "
    "bill_balance transfer order_checks balance spending_history transactions report_fraud",
    "credit-cards": "replacement_card_duration expiration_date damaged_card improve_credit_score report_lost_card "
    "card_declined credit_limit_change apr redeem_rewards credit_limit rewards_balance application_status credit_score "
    "new_card international_fees",
    "kitchen": "recipe restaurant_reviews calories nutrition_info restaurant_suggestion ingredients_list "
    "ingredient_substitution cook_time food_last meal_suggestion restaurant_reservation confirm_reservation how_busy "
    "cancel_reservation accept_reservations",
    "home": "shopping_list shopping_list_update next_song play_music update_playlist todo_list todo_list_update "
    "calendar calendar_update what_song order order_status reminder reminder_update smart_home",
    "driving": "traffic directions gas gas_type distance current_location mpg oil_change_when oil_change_how "
    "jump_start uber schedule_maintenance last_maintenance tire_pressure tire_change",
    "travel": "book_flight book_hotel car_rental travel_suggestion travel_alert travel_notification carry_on timezone "
    "vaccines translate flight_status international_visa lost_luggage plug_type exchange_rate",
    "utility": "time alarm share_location find_phone weather text spelling make_call timer date calculator "
    "measurement_conversion flip_coin roll_dice definition",
    "work": "direct_deposit pto_request taxes payday w2 pto_balance pto_request_status next_holiday insurance "
    "insurance_change schedule_meeting pto_used meeting_schedule rollover_401k income",
    "small-talk": "greeting goodbye tell_joke where_are_you_from how_old_are_you what_is_your_name who_made_you "
    "thank_you what_can_i_ask_you what_are_your_hobbies do_you_have_pets are_you_a_bot meaning_of_life "
    "who_do_you_work_for fun_fact",
    "meta": "change_ai_name change_user_name cancel user_name reset_settings whisper_mode repeat no yes maybe "
    "change_language change_accent change_volume change_speed sync_device",
}
OWNER = {intent: domain for domain, intents in DOMAINS.items() for intent in intents.split()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="keeps the specialists (default: a temporary folder)")
    parser.add_argument("--rungs", default=BASE)
    parser.add_argument("--rounds", type=int, default=400, help="single texts whose cost is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments, arguments.work or Path(folder))
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def measure(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    rows = {split: read(arguments.data / "clinc150" / f"{split}.jsonl.gz") for split in ("train", "validation", "test")}
    assert set(OWNER) | {"oos"} == {row["output"] for row in rows["train"]}
    bundles = {domain: specialist(domain, rows, work, arguments.rungs) for domain in DOMAINS}
    records = {domain: json.loads((folder / "record.json").read_text()) for domain, folder in bundles.items()}
    profiled = [next(each for each in record["routing"] if each["base"] == BASE) for record in records.values()]
    began = time.perf_counter()
    profiles = {domain: read_profile(folder / file_name(BASE)) for domain, folder in bundles.items()}
    read_s = time.perf_counter() - began
    began, began_cpu = time.perf_counter(), time.process_time()
    router = Router(profiles)
    fit_s, fit_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    encoder = Encoder(base_files(BASE), bulk=True)
    test = rows["test"]
    embedded = encoder.embed([row["input"] for row in test])
    return {
        "data": "clinc150, full: intents divided by domain among 10 specialists; train and validation of each domain "
        "without out-of-scope rows",
        "encoder": BASE,
        "rungs": {domain: record["chosen"] for domain, record in records.items()},
        "refused_share_aimed_at": REFUSED,
        "profile": {
            "inputs": [each["inputs"] for each in profiled],
            "held_out": [each["held_out"] for each in profiled],
            "seconds": [each["seconds"] for each in profiled],
            "bytes": (bundles["banking"] / file_name(BASE)).stat().st_size,
        },
        "router": {"read_s": round(read_s, 3), "fit_s": round(fit_s, 3), "fit_cpu_s": round(fit_cpu_s, 3)},
        **quality(router, test, embedded, bundles),
        "cost": cost(bundles, [row["input"] for row in test], router, embedded, arguments.rounds),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": processor(),
            "load_1m": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
        },
    }


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def specialist(domain: str, rows: dict[str, list[dict[str, Any]]], work: Path, rungs: str) -> Path:
    """The bundle of one domain, trained unless it is there."""
    out, folder = work / "bundles" / domain, work / domain
    if (out / "record.json").is_file():
        return out
    folder.mkdir(parents=True, exist_ok=True)
    for split, all_rows in rows.items():
        mine = [row for row in all_rows if OWNER.get(row["output"]) == domain]
        lines = [json.dumps({"input": row["input"], "output": row["output"]}) + "\n" for row in mine]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    files = ", ".join(f"{split}: {split}.jsonl" for split in rows)
    (folder / "task.yaml").write_text(f"name: {domain}\nkind: classify\nlanguages: [en]\ndata: {{{files}}}\n")
    print(f"training {domain}", file=sys.stderr, flush=True)
    train(folder, out, only=rungs.split(","), quiet=True)
    return out


def quality(
    router: Router, test: list[dict[str, Any]], embedded: np.ndarray, bundles: dict[str, Path]
) -> dict[str, Any]:
    routes = router.route(embedded)
    owners = [OWNER.get(row["output"]) for row in test]
    inside = np.array([owner is not None for owner in owners])
    nearest = np.array([each.nearest == owner for each, owner in zip(routes, owners)])
    kept = np.array([each.name is not None for each in routes])
    answered = answers(test, routes, bundles)
    by_domain = {
        domain: {
            "nearest": share(nearest[[owner == domain for owner in owners]]),
            "refused": share(~kept[[owner == domain for owner in owners]]),
        }
        for domain in DOMAINS
    }
    return {
        "in_scope": {
            "accuracy": share(nearest[inside]),
            "routed_to_its_specialist": share((nearest & kept)[inside]),
            "refused": share(~kept[inside]),
            "accuracy_of_what_was_routed": share(nearest[inside & kept]),
            "right_intent": share(answered[inside]),
        },
        "out_of_scope": {
            "auroc": auroc(np.array([each.margin for each in routes]), inside),
            "let_through": share(kept[~inside]),
        },
        "by_domain": by_domain,
    }


def answers(test: list[dict[str, Any]], routes: Sequence[Any], bundles: dict[str, Path]) -> np.ndarray:
    """Whether the routed specialist then gives the right intent."""
    right = np.zeros(len(test), bool)
    for domain, folder in bundles.items():
        mine = [at for at, each in enumerate(routes) if each.name == domain]
        model = load(folder)
        given = model.rule.decide(model.kind, model.labels, model.probabilities([test[at]["input"] for at in mine]))
        for at, label in zip(mine, given):
            right[at] = label == test[at]["output"]
    return right


def share(of: np.ndarray) -> dict[str, Any]:
    found = exact_limits(int(of.sum()), len(of), ALPHA)
    assert found.lower is not None and found.upper is not None
    limits = {"lower": round(found.lower, 4), "upper": round(found.upper, 4)}
    return {"score": round(float(of.mean()), 4), **limits, "n": len(of)}


def auroc(margins: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    """The chance that a message in scope has the larger margin. Limits: DeLong et al. (1988), Biometrics 44:837."""
    ours, others = np.sort(margins[inside]), np.sort(margins[~inside])

    def below(values: np.ndarray, of: np.ndarray) -> np.ndarray:
        return (np.searchsorted(of, values, "left") + np.searchsorted(of, values, "right")) / 2 / len(of)

    larger, smaller = below(ours, others), 1 - below(others, ours)
    score = float(larger.mean())
    reach = 1.959964 * float(np.sqrt(larger.var(ddof=1) / len(ours) + smaller.var(ddof=1) / len(others)))
    limits = {"lower": round(score - reach, 4), "upper": round(score + reach, 4)}
    return {"score": round(score, 4), **limits, "n": [len(ours), len(others)]}


def cost(
    bundles: dict[str, Path], texts: list[str], router: Router, embedded: np.ndarray, rounds: int
) -> dict[str, Any]:
    """Milliseconds of one text in the engine: by name, by `auto`, and of the decision alone; elapsed, and of processor
    time, which other work on the machine disturbs less."""
    reports: list[Report] = []
    engine = Engine(reports.append)
    handles: dict[str, int] = {}
    for number, (domain, folder) in enumerate(bundles.items(), 1):
        assert isinstance(engine.take(Load(number, number, str(folder), None)), Loaded)
        handles[domain] = number
    encoder = base_files(BASE).sha256
    profiles = [(handles[domain], str(folder / file_name(BASE))) for domain, folder in bundles.items()]
    engine.take(Fit(99, BASE, encoder, profiles))
    chosen = np.random.default_rng(0).choice(len(texts), rounds, replace=False)
    took: dict[str, list[Took]] = {"by_name": [], "auto": [], "decision": []}
    for at in range(-20, rounds):  # the first are for warming up
        row = chosen[at]
        nearest = router.route(embedded[row : row + 1])[0]
        named = Ask(1, handles[nearest.nearest], [texts[row]])
        by_name, auto = answered(engine, named), answered(engine, Direct(2, [texts[row]]))
        decision = timed(partial(router.route, embedded[row : row + 1]))
        if at >= 0 and nearest.name is not None:  # so that both also answer
            took["by_name"].append(by_name)
            took["auto"].append(auto)
            took["decision"].append(decision)
    found: dict[str, Any] = {"texts": len(took["auto"]), "unit": "ms"}
    for at, clock in enumerate(Took._fields):
        each = {name: np.array([value[at] for value in values]) for name, values in took.items()}
        found[clock] = {name: quantiles(values) for name, values in each.items()}
        found[clock]["auto_beyond_by_name"] = quantiles(each["auto"] - each["by_name"])
    return found


class Took(NamedTuple):
    """Seconds."""

    elapsed: float
    processor: float


def answered(engine: Engine, order: Order) -> Took:
    assert engine.take(order) is None
    return timed(lambda: engine.answer(engine.next_batch()))


def timed(work: Callable[[], Any]) -> Took:
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - began, time.process_time() - began_cpu)


def quantiles(seconds: np.ndarray) -> dict[str, float]:
    return {f"p{q}": round(float(np.quantile(seconds, q / 100)) * 1e3, 3) for q in (50, 90, 99)}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
