"""A made-up task whose values stand in its inputs: orders in English or Korean, with an intent that does not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SIZES = ["250 g", "1 kg", "500g", "2kg"]
COLOURS = ["red", "navy blue", "green", "black"]
GOODS = ["coffee", "green tea", "oat flakes", "soap", "trail shoes", "rain coat"]
BRANDS = ["Acme", "Birch & Sons", "Cobalt", "Dune", "Ember Hill", "Fjord", "Grove", "Haven Co."]
CITIES = ["서울", "부산", "대구", "광주", "인천", "제주"]
FRUIT = ["사과", "배", "귤", "포도", "감자", "고구마"]


def english(count: int, seed: int) -> list[dict[str, Any]]:
    rng, rows = random.Random(seed), []
    for number in range(count):
        brand, thing, colours = rng.choice(BRANDS), rng.choice(GOODS), rng.sample(COLOURS, rng.randrange(3))
        pieces, returned = rng.randrange(1, 60), rng.random() < 0.4
        size = rng.choice([*SIZES, None])
        verb = rng.choice(["please take back", "I return"]) if returned else rng.choice(["please send", "I would like"])
        text = f"{verb} {pieces} x {brand} {' and '.join(colours)} {thing}".replace("  ", " ")
        text += (f", {size}" if size else "") + rng.choice(["", ".", " today", f" (order {rng.randrange(10**4)})"])
        output: dict[str, Any] = {"intent": "return" if returned else "order", "item": {"brand": brand, "thing": thing}}
        output |= {"pieces": pieces, "colours": colours, "size": size if size else "n/a"}
        rows.append({"id": f"e{seed}-{number}", "input": text, "output": output})
    return rows


def korean(count: int, seed: int) -> list[dict[str, Any]]:
    rng, rows = random.Random(seed), []
    for number in range(count):
        city, fruit, boxes = rng.choice(CITIES), rng.choice(FRUIT), rng.randrange(1, 40)
        text = f"{city}{rng.choice(['에서', '으로', '에'])} {fruit}{rng.choice(['를', '은', ''])} {boxes}상자 "
        text += rng.choice(["보내 주세요", "부탁합니다", "주문할게요"])
        rows.append({"id": f"k{seed}-{number}", "input": text, "output": {"도시": city, "물건": fruit, "상자": boxes}})
    return rows


def task(folder: Path, make: Any = english, rows: int = 220, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, seed in (("train", rows, 1), ("test", 60, 2)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in make(count, seed))
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    (folder / "task.yaml").write_text(
        "name: orders\nkind: extract\ndescription: Orders.\ndata: {train: train.jsonl, test: test.jsonl}\n" + more,
        "utf-8",
    )
    return folder
