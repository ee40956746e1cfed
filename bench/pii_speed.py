"""What the detector of personal data costs: import, memory, processor time of a text, beside Presidio's own engine.

Processor seconds, not wall clock, each variant in a process of its own. Run: python bench/pii_speed.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

TEXTS = {
    "dense": (
        "고객 홍길동님께서 010-1234-5678로 문의하셨고 주민번호는 900101-1234568, 카드는 4111 1111 1111 1111 "
        "입니다. Please write to hong.gildong@example.com or call +1 212 555 0134 about order 2024-000123. The "
        "rest of this message is plain filler about delivery times, refunds, and a broken kettle that came "
        "without a lid and with 2 manuals."
    ),
    "korean": (
        "지난주에 주문한 제품이 아직 도착하지 않아서 문의드립니다. 배송 조회를 해보니 사흘째 같은 곳에 머물러 "
        "있네요. 언제쯤 받을 수 있을지 확인 부탁드리고, 혹시 분실된 것이라면 다시 보내 주시거나 환불 처리해 "
        "주시면 감사하겠습니다. 급하게 필요한 물건이라 빠른 답변 기다리겠습니다. 전에도 비슷한 일이 있었는데 "
        "그때는 상담원분이 친절하게 도와주셔서 금방 해결되었습니다. 이번에도 잘 부탁드립니다. 그리고 포장이 조금 "
        "찢어져 있었다는 점도 참고해 주세요. 사진은 나중에 따로 올려 두겠습니다."
    ),
    "english": (
        "Hello, I ordered a kettle last week and it has not arrived yet. The tracking page has shown the same "
        "depot for three days now. Could you please check when it will be delivered, and if it was lost, either "
        "send another one or refund me? I need it rather urgently so a quick answer would be welcome. Thank you "
        "and best regards."
    ),
}
VARIANTS = ("rules", "detector", "engine", "engine and phones")


def finder(variant: str):
    if variant in ("rules", "detector"):
        from jangin.pii import Detector

        return Detector(presidio=variant == "detector").find
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    from jangin.pii.presidio import recognisers

    made = list(recognisers().values())
    if variant == "engine and phones":
        made.append(PhoneRecognizer(supported_regions=["KR", "US", "GB"]))
    engine = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=made, supported_languages=["en"]),
        nlp_engine=NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}]),
        supported_languages=["en"],
    )
    return lambda text: engine.analyze(text, "en")


def measure(variant: str) -> dict:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    find = finder(variant)
    report = {"variant": variant, "start_cpu_s": round(time.process_time() - start, 2)}
    report["start_mib"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    for name, text in TEXTS.items():
        find(text)
        rounds = []
        for _ in range(7):
            start = time.process_time()
            for _ in range(30):
                find(text)
            rounds.append((time.process_time() - start) / 30 * 1e6)
        report[f"{name}_{len(text)}_us"] = round(sorted(rounds)[3])
    report["torch"] = "torch" in sys.modules
    return report


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        for each in VARIANTS:
            subprocess.run([sys.executable, __file__, each], check=True)
