"""The main job from data to a served, certified specialist, on the example of this folder. Run by `make demo`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "demo"
SPECIALIST = OUT / "support-tickets"
QUESTIONS = [
    "the tracking page hasn't moved since monday and i leave for my trip tomorrow",
    "두 번 결제된 것 같아요. 카드 문자가 같은 금액으로 두 개 왔습니다",
    "I want to stop paying for Plus every month",
    "비번 까먹었는데 인증문자도 안 와요 ㅠㅠ",
    "what's the capital of Mongolia?",
]


def jangin(*arguments: object) -> dict:
    """One verb, its own words on the screen, its JSON back."""
    print(f"\n$ jangin {' '.join(map(str, arguments))}", flush=True)
    command = [sys.executable, "-m", "jangin", *map(str, arguments), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode > 1:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def main() -> None:
    start = time.perf_counter()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    checked = jangin("check", HERE)
    print(
        f"  {checked['rows']['train']:,} messages to learn from, {checked['rows']['test']:,} sealed for the test, "
        f"{checked['errors']} errors, {checked['warnings']} warnings"
    )
    trained = jangin("train", HERE, "--out", SPECIALIST)
    print(f"  the smallest model that is likely to pass: {trained['rung']}, {trained['params'] / 1e6:.1f} M parameters")
    certificate = jangin("certify", SPECIALIST)
    print(f"  {certificate['sentence']}")
    verified = jangin("certify", "--verify", SPECIALIST / "certificate.json")
    print(f"  certificate valid: {verified['valid']}")
    ask()
    page = jangin("report", OUT)["page"]
    summary(trained, certificate, page, time.perf_counter() - start)


def ask() -> None:
    """Starts the server and asks it with OpenAI's own client."""
    from openai import OpenAI

    print(f"\n$ jangin serve --open {SPECIALIST} --port 0", flush=True)
    state = ["--state", str(OUT / "state")]
    command = [sys.executable, "-m", "jangin", "serve", "--open", str(SPECIALIST), "--port", "0", *state, "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        client = OpenAI(base_url=f"{address}/v1", api_key="not-needed-on-this-machine")
        print(f"  {address} answers the official openai client:\n")
        for question in QUESTIONS:
            began = time.perf_counter()
            answer = client.chat.completions.create(
                model="support-tickets", messages=[{"role": "user", "content": question}]
            )
            took_ms = (time.perf_counter() - began) * 1000
            confidence = answer.model_extra["jangin"]["confidence"]
            print(
                f"  {question}\n    -> {answer.choices[0].message.content}  ({confidence:.0%} sure, {took_ms:.0f} ms)"
            )
    finally:
        server.terminate()
        server.wait(timeout=30)


def summary(trained: dict, certificate: dict, page: str, seconds: float) -> None:
    tried = [each for each in trained["rungs"] if each["status"] == "tried"]
    ladder = "\n".join(
        f"    {each['rung']:28} {each['score']:.1%} on validation, "
        f"{each['cost_per_1k_usd'] * 1000:.3f} USD per million requests"
        for each in tried
    )
    print(f"""
What happened, in {seconds:.0f} s, on this machine alone, with no message sent anywhere:
  - The data was checked, and a part of it sealed.
  - Jangin climbed its ladder, cheapest model first, and stopped at the first that was likely to pass:
{ladder}
  - The sealed test was opened once: {certificate["score"]:.1%} right ({certificate["confidence"] * 100:g} % limits \
{certificate["score_lower"]:.1%} to {certificate["score_upper"]:.1%}); the bar was 45 %; \
verdict: {certificate["verdict"]}.
  - The model served behind OpenAI's API.
Read next: {SPECIALIST / "certificate.html"}
           {page}""")


if __name__ == "__main__":
    main()
