"""The verdict in plain words, and what it does not say. Written for a reader who has never seen a p-value."""

from __future__ import annotations

from typing import Any

from jangin.evals.certificate import Exposure
from jangin.evals.planning import alpha_at
from jangin.evals.register import Claim, Look

METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "flagged_f1": "F1 of 'flagged'",
    "auprc": "average precision",
    "field_f1": "micro-F1 over fields",
    "exact_match": "exact match",
    "chrf": "mean chrF",
    "rouge_l": "mean ROUGE-L",
    "execution": "execution accuracy",
    "pass_at_1": "pass@1",
    "sql_match": "exact set match of SQL",
}
_REFERENCE = {
    "superior": "is superior to {ref}",
    "non-inferior": "is not worse than {ref} by more than the agreed margin of {margin:g}",
    "inferior": "is worse than {ref} by more than the agreed margin of {margin:g}",
    "inconclusive": "may be better or worse than {ref}: this test cannot tell",
}
_AT_LEAST = {
    "superior": "reaches the bar of {bar:g}",
    "non-inferior": "reaches the bar of {bar:g}",
    "inferior": "stays below the bar of {bar:g}",
    "inconclusive": "may or may not reach the bar of {bar:g}: this test cannot tell",
}


def sentence(name: str, result: dict[str, Any], reference: dict[str, Any] | None, claim: Claim) -> str:
    """One to four short sentences, the verdict first."""
    metric = METRIC_NAMES.get(claim.metric, claim.metric)
    own = f"{metric} {result['score']:.3f}{_limits(result['score_lower'], result['score_upper'], result['confidence'])}"
    if not result["bars"]:
        return f"No bar was set, so there is no verdict. {name} scores {own} on {result['n']:,} sealed test examples."
    said = []
    for bar in result["bars"]:
        if bar["kind"] == "reference":
            assert reference is not None
            said.append(_REFERENCE[bar["verdict"]].format(ref=_named(reference, result), margin=claim.margin))
        else:
            said.append(_AT_LEAST[bar["verdict"]].format(bar=claim.at_least))
    verdict = result["verdict"].capitalize()
    text = f"{verdict}: {name} {', and it '.join(said)}. It scores {own} on {result['n']:,} sealed test examples"
    if reference is None:
        text += "."
    else:
        how = "answer by answer on the same examples" if result["paired"] else "unpaired, with a published figure"
        limits = _limits(result["lower"], result["upper"], result["confidence"], "+")
        text += f"; the difference is {result['difference']:+.3f}{limits}, compared {how}."
        text += " It is measurably worse." if result["measurably_worse"] else ""
    return text + _settle(result)


def not_said(
    exposure: Exposure,
    result: dict[str, Any],
    look: Look,
    reference: dict[str, Any] | None,
    *,
    copies: int,
    trained: dict[str, str] | None,
) -> list[str]:
    """The limits of the claim, each a sentence. copies: of the register; trained: the manifest's hashes of its data."""
    said = [
        "It speaks of this artefact, the file with the hash below; a new training run with the same recipe needs its "
        "own certificate.",
        "It holds for traffic like the test. When the messages change, so may the score: check again, or renew.",
    ]
    if exposure.public_test:
        seen = {"base": exposure.base, "reference": exposure.reference}
        told = ", ".join(f"{who}: {state}" for who, state in seen.items() if state is not None)
        where = "On a public test" if exposure.test_published else "As on a public test"
        said.append(f"{where}: it cannot be ruled out that it was seen before ({told}). No interval covers that.")
    if reference is not None and not result["paired"]:
        said.append(
            "The reference's own answers are not at hand. Its published figure was compared, so its prompt, its date "
            "and its test rows are those of the source."
        )
    if reference is not None and reference.get("second_hand"):
        said.append("The published figure was read second-hand, not in its source.")
    if look.k > 1:
        level = spent(look.claim.confidence, look.k)
        said.append(f"This is not the first look at this test, so it had to pass a stricter level: {level}.")
    if any(bar["verdict"] in ("inconclusive", "non-inferior") for bar in result["bars"]):
        said.append("'No difference shown' is not 'equal'.")
    first = look.outcome
    if first and first.get("verdict") != result["verdict"]:
        said.append(f"The first run of this look said {first.get('verdict')}; that verdict stands.")
    if not trained:
        said.append(
            "The bundle does not record its data, so nobody can tell whether the test or train were changed after "
            "training."
        )
    if copies < 2:
        said.append("This look could be registered in one place only: deleting one file forgets it.")
    said.append("The count of looks is kept in files that their owner can delete: it is a seal, not a lock.")
    return said


def spent(confidence: float, look: int) -> str:
    """What a look costs, in words."""
    level, total = alpha_at(confidence, look), 1 - confidence
    return f"look {look} tests at a one-sided level of {level:.4g}; all looks together never exceed {total:.4g}"


def parity_words(parity: dict[str, Any] | None) -> str:
    """How far the copies of one specialist agree, as the climb's last step found it."""
    if not parity:
        return "not recorded"
    said = []
    for name, part in parity.items():
        pair = name.replace("_", " and ")
        if isinstance(part, dict) and "different_answers" in part:
            gap = part.get("largest_probability_gap")
            gaps = "" if gap is None else f", probabilities by at most {gap:.1g}"
            said.append(f"{pair}: {part['different_answers']:.2%} of answers differ{gaps}")
        elif isinstance(part, dict):  # of written answers
            said += [
                f"{pair}: {part[f'same_{what}']:.2%} of {what} are the same"
                for what in ("answers", "tokens")
                if part.get(f"same_{what}") is not None
            ]
        else:
            said.append(f"{name.replace('_', ' ')}: {part}")
    return "; ".join(said)


def _named(reference: dict[str, Any], result: dict[str, Any]) -> str:
    setting = f" ({reference['setting']})" if reference["setting"] else ""
    if reference["kind"] == "published":
        return f"the published figure {reference['score']:.3f} of {reference['model']}{setting}"
    return f"the recorded answers of {reference['model']}{setting}, which score {result['reference_score']:.3f}"


def _limits(lower: float | None, upper: float | None, confidence: float, sign: str = "") -> str:
    if lower is None or upper is None:
        return " (no limits could be given)"
    return f" ({100 * confidence:.4g} % limits {lower:{sign}.3f} to {upper:{sign}.3f})"


def _settle(result: dict[str, Any]) -> str:
    if result["verdict"] != "inconclusive":
        return ""
    needed = result["n_needed"]
    still_open = [bar for bar in result["bars"] if bar["verdict"] == "inconclusive"]
    if needed is None and any(bar["lower"] is None for bar in still_open):
        return " Without limits nobody can say how many further examples would settle it."
    if needed is None:
        return " No number of further examples would settle it, if the difference seen is the true one."
    return f" About {needed:,} fresh examples would settle it, if the difference seen is the true one."
