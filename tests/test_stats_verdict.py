"""From arrays to a verdict, in every case that a task file can ask for."""

import msgspec
import numpy as np
import pytest

from jangin.errors import InputError, ShapeError
from jangin.evals import stats, wording
from jangin.evals.comparison import Comparison, Published, Recorded
from jangin.evals.register import Claim
from jangin.evals.verdict import compare, decide, decide_absolute

LABELS = 4


def answers(gold, wrong):
    """The gold labels with the rows in `wrong` answered falsely."""
    ours = gold.copy()
    ours[wrong] = (ours[wrong] + 1) % LABELS
    return ours


def spec(n=1000, wrong=80, theirs_wrong=None, **given):
    """We have the first `wrong` rows false; the reference rows 20 to 20 + theirs_wrong."""
    gold = np.arange(n) % LABELS
    if theirs_wrong is not None:
        given.setdefault("reference", Recorded(answers(gold, np.arange(20, 20 + theirs_wrong))))
    return Comparison(
        **{"metric": "accuracy", "gold": gold, "ours": answers(gold, np.arange(wrong)), "labels": LABELS, **given}
    )


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [
        (0.001, 0.1, "superior"),
        (0.0, 0.1, "non-inferior"),
        (-0.019, -0.001, "non-inferior"),
        (-0.02, 0.1, "inconclusive"),
        (-0.1, -0.02, "inconclusive"),
        (-0.1, -0.021, "inferior"),
        (None, None, "inconclusive"),
        (None, -0.1, "inferior"),
    ],
)
def test_the_limits_decide_the_verdict(lower, upper, verdict):
    assert decide(lower, upper, 0.02) == verdict


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [
        (0.91, 0.95, "superior"),
        (0.9, 0.95, "non-inferior"),
        (0.89, 0.9, "inconclusive"),
        (0.8, 0.89, "inferior"),
        (None, None, "inconclusive"),
    ],
)
def test_an_absolute_bar_is_met_by_a_lower_limit_that_reaches_it(lower, upper, verdict):
    assert decide_absolute(lower, upper, 0.9) == verdict


def test_paired_accuracy_is_judged_by_tango():
    result = compare(spec(wrong=80, theirs_wrong=120, margin=0.02))
    limits = stats.tango_limits(60, 20, 1000, 0.025)
    assert (result.lower, result.upper, result.method) == (limits.lower, limits.upper, limits.method)
    assert result.verdict == "superior"
    assert (result.paired, result.n, result.units, result.unscored) == (True, 1000, 1000, 0)
    assert result.score == 0.92 and result.reference_score == 0.88
    assert result.difference == pytest.approx(0.04)
    assert (result.confidence, result.alpha, result.look) == (0.95, 0.025, 1)
    assert result.notes == []
    exact = stats.exact_limits(920, 1000, 0.025)
    assert (result.score_lower, result.score_upper) == (exact.lower, exact.upper)


def test_a_published_accuracy_is_compared_unpaired_and_says_so():
    result = compare(spec(wrong=80, reference=Published(0.877, 3080), margin=0.02))
    assert (result.verdict, result.paired) == ("superior", False)
    assert result.method == (
        "unpaired, Newcombe's hybrid score interval; the reference's n (3,080) is the published one"
    )
    limits = stats.newcombe_limits(920, 1000, 0.877, 3080, 0.025)
    assert (result.lower, result.upper) == (limits.lower, limits.upper)


def test_a_published_figure_without_n_is_a_constant_and_says_so():
    result = compare(spec(wrong=80, reference=Published(0.877), margin=0.02))
    exact = stats.exact_limits(920, 1000, 0.025)
    assert (result.lower, result.upper) == (exact.lower - 0.877, exact.upper - 0.877)
    assert result.method == (
        "compared with the figure, not with the model: exact binomial interval (Clopper and Pearson)"
    )


def test_a_later_look_pays_with_wider_limits():
    first, third = (compare(spec(theirs_wrong=100, margin=0.02, look=look)) for look in (1, 3))
    assert (third.alpha, third.confidence) == (0.00625, 0.9875)
    assert third.lower < first.lower and third.upper > first.upper


def test_non_inferior_and_measurably_worse_can_both_be_true():
    result = compare(spec(n=5000, wrong=400, theirs_wrong=350, margin=0.04))
    assert (result.verdict, result.measurably_worse) == ("non-inferior", True)
    assert result.notes == ["measurably worse: the upper limit of the difference is below 0"]


def test_an_inferior_specialist_is_told_so():
    result = compare(spec(wrong=200, theirs_wrong=80, margin=0.02))
    assert (result.verdict, result.measurably_worse) == ("inferior", True)


def test_a_margin_above_half_the_references_lead_cannot_be_claimed():
    given = {"wrong": 90, "theirs_wrong": 100, "margin": 0.04}
    assert compare(spec(**given)).verdict == "non-inferior"
    result = compare(spec(**given, baseline=0.85))
    assert result.verdict == "inconclusive"
    assert result.notes == [
        "the margin 0.04 is more than half of the reference's lead over the trivial baseline (0.050): non-inferiority "
        "cannot be claimed, only superiority"
    ]


def test_a_specialist_not_shown_to_beat_the_baseline_is_not_non_inferior():
    given = {"n": 400, "wrong": 40, "theirs_wrong": 40, "margin": 0.07}
    assert compare(spec(**given)).verdict == "non-inferior"
    result = compare(spec(**given, baseline=0.87))
    assert result.verdict == "inconclusive"
    assert result.notes[-1] == "the specialist's score is not shown to be above the trivial baseline (0.870)"


def test_the_majority_class_is_the_baseline_when_the_task_names_none():
    assert compare(spec(theirs_wrong=80, margin=0.02)).baseline == 0.25


def test_an_inconclusive_result_says_how_many_fresh_rows_would_settle_it():
    result = compare(spec(n=400, wrong=40, theirs_wrong=40, margin=0.02))
    assert result.verdict == "inconclusive"
    assert result.n_needed == result.n_needed_if_equal == 1963  # (1.960 + 0.842)² · 0.1 / 0.02²
    assert compare(spec(wrong=80, theirs_wrong=120, margin=0.02)).n_needed is None
    published = compare(spec(n=400, wrong=50, reference=Published(0.877, 3080), margin=0.02))
    assert published.verdict == "inconclusive"
    assert (published.n_needed, published.n_needed_if_equal) == (17482, 6768)


def test_where_nothing_differs_as_many_rows_are_needed_as_could_prove_the_margin():
    few = compare(spec(n=100, wrong=8, theirs_wrong=None, margin=0.02, reference=Recorded(spec(n=100, wrong=8).ours)))
    assert (few.verdict, few.difference, few.n_needed, few.n_needed_if_equal) == ("inconclusive", 0.0, 189, 189)

    def verdict(n):
        return compare(spec(n=n, wrong=8, margin=0.02, reference=Recorded(spec(n=n, wrong=8).ours))).verdict

    assert (verdict(188), verdict(189)) == ("inconclusive", "non-inferior")


def test_where_all_is_right_as_many_rows_are_needed_as_could_prove_the_bar():
    found = compare(spec(n=30, wrong=0, at_least=0.95))
    assert (found.verdict, found.n_needed) == ("inconclusive", 72)
    assert [compare(spec(n=n, wrong=0, at_least=0.95)).verdict for n in (71, 72)] == ["inconclusive", "superior"]
    assert compare(spec(n=30, wrong=0, at_least=1.0)).n_needed is None


def test_without_limits_no_number_of_rows_is_promised():
    same = spec(n=300, wrong=5, metric="macro_f1", margin=0.02)
    result = compare(msgspec.structs.replace(same, reference=Recorded(same.ours)))
    assert (result.verdict, result.lower, result.n_needed) == ("inconclusive", None, None)
    assert told(result).endswith(" Without limits nobody can say how many further examples would settle it.")


def told(result, at_least=None):
    """The sentence of a certificate with this result."""
    claim = Claim(specialist="x", metric=result.metric, reference=None, margin=0.02, at_least=at_least, confidence=0.95)
    about = {"kind": "recorded", "model": "gpt-4", "setting": ""}
    return wording.sentence("desk", msgspec.to_builtins(result), about, claim)


def test_the_sentence_names_the_rows_that_settle_every_open_bar():
    same = spec(n=100, wrong=8, margin=0.02, reference=Recorded(spec(n=100, wrong=8).ours))
    assert "About 189 fresh examples would settle it" in told(compare(same))
    both = compare(msgspec.structs.replace(same, at_least=0.915))
    assert both.n_needed == both.bars[1].n_needed > 189
    assert f"About {both.n_needed:,} fresh examples would settle it" in told(both, 0.915)


def test_rows_that_are_needed_also_bring_the_score_above_the_baseline():
    same = Recorded(spec(n=252, wrong=63).ours)
    near = compare(spec(n=252, wrong=63, margin=0.02, reference=same, baseline=0.7))
    assert (near.verdict, near.lower > -0.02) == ("inconclusive", True)
    assert near.n_needed == 589  # (1.960 + 0.842)² · 0.75 · 0.25 / 0.05², where 189 would prove the margin
    below = compare(spec(n=252, wrong=63, margin=0.02, reference=same, baseline=0.76))
    assert (below.verdict, below.n_needed) == ("inconclusive", None)


def test_an_absolute_bar_alone_is_held_against_the_exact_lower_limit():
    result = compare(spec(wrong=60, at_least=0.92))
    assert result.verdict == "superior"
    assert (result.paired, result.reference_score) == (None, None)
    assert result.difference == pytest.approx(0.02)
    assert result.lower == result.score_lower - 0.92
    assert result.method == "our score against the bar 0.92: exact binomial interval (Clopper and Pearson)"
    close = compare(spec(wrong=70, at_least=0.92))
    assert (close.verdict, close.n_needed) == ("inconclusive", 5110)
    assert compare(spec(wrong=120, at_least=0.92)).verdict == "inferior"


def test_two_bars_must_both_hold():
    both = {"wrong": 60, "theirs_wrong": 120, "margin": 0.02}
    result = compare(spec(**both, at_least=0.92))
    assert [bar.verdict for bar in result.bars] == ["superior", "superior"]
    assert result.verdict == "superior"
    result = compare(spec(**both, at_least=0.935))
    assert [(bar.kind, bar.verdict) for bar in result.bars] == [
        ("reference", "superior"),
        ("at_least", "inconclusive"),
    ]
    assert result.verdict == "inconclusive"
    assert result.n_needed == result.bars[1].n_needed == 17708  # (1.960 + 0.842)² · 0.94 · 0.06 / 0.005²
    assert compare(spec(**both, at_least=0.97)).verdict == "inferior"
    hopeless = compare(spec(wrong=90, theirs_wrong=80, margin=0.005, at_least=0.9))
    assert [bar.verdict for bar in hopeless.bars] == ["inconclusive", "inconclusive"]
    assert (hopeless.n_needed, hopeless.bars[0].n_needed) == (None, None)  # seen: 0.01 behind, past the margin


def test_unscored_answers_count_as_right_for_the_lower_limit_and_wrong_for_the_upper():
    gold = np.arange(1000) % LABELS
    theirs = answers(gold, np.arange(20, 120))
    unscored = np.zeros(1000, bool)
    unscored[110:130] = True  # ten of the wrong answers and ten of the right ones never came
    result = compare(spec(reference=Recorded(np.where(unscored, -1, theirs), unscored), margin=0.02))
    assert result.lower == stats.tango_limits(30, 20, 1000, 0.025).lower
    assert result.upper == stats.tango_limits(50, 20, 1000, 0.025).upper
    assert result.unscored == 20
    assert result.difference == pytest.approx((30 - 20) / 980)
    assert result.notes == [
        "20 of the reference's 1,000 answers are unscored (transport failures): the lower limit takes them as right, "
        "the upper as wrong; the difference leaves them out"
    ]


def test_an_answer_that_is_missing_is_wrong():
    gold = np.arange(1000) % LABELS
    silent = np.where(np.arange(1000) < 80, -1, gold)
    assert compare(spec(ours=silent, at_least=0.9)).score == 0.92


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_units_of_several_rows_are_resampled_whole(metric):
    rng = np.random.default_rng(0)
    hard = np.repeat(rng.random(200) < 0.15, 5)
    gold = np.arange(1000) % LABELS
    ours = answers(gold, np.nonzero(hard & (rng.random(1000) < 0.6))[0])
    theirs = answers(gold, np.nonzero(hard & (rng.random(1000) < 0.8))[0])
    given = {"metric": metric, "gold": gold, "ours": ours, "reference": Recorded(theirs), "margin": 0.02}
    alone, clustered = compare(spec(**given)), compare(spec(**given, units=np.repeat(np.arange(200), 5)))
    assert (alone.units, clustered.units) == (1000, 200)
    assert clustered.score == alone.score and clustered.difference == alone.difference
    assert clustered.score_upper - clustered.score_lower > 1.3 * (alone.score_upper - alone.score_lower)
    assert clustered.method == (
        "paired, bootstrap of whole units (BCa, 10,000 resamples) or the jackknife's t, the wider for each limit"
    )


def test_units_of_several_rows_widen_the_limits_against_a_published_accuracy_too():
    rng = np.random.default_rng(0)
    hard = np.repeat(rng.random(200) < 0.15, 5)
    gold = np.arange(1000) % LABELS
    ours = answers(gold, np.nonzero(hard & (rng.random(1000) < 0.6))[0])
    alone = compare(spec(ours=ours, reference=Published(0.88, 1000)))
    clustered = compare(spec(ours=ours, reference=Published(0.88, 1000), units=np.repeat(np.arange(200), 5)))
    assert clustered.upper - clustered.lower > 1.1 * (alone.upper - alone.lower)
    assert clustered.method.startswith("unpaired, limits squared and added (Zou and Donner)")


def test_macro_f1_with_few_differing_rows_is_inconclusive_and_says_why():
    gold = np.arange(1000) % LABELS
    given = {"metric": "macro_f1", "wrong": 30, "margin": 0.2}  # ours has rows 0 to 29 wrong
    enough = compare(spec(**given, reference=Recorded(answers(gold, np.arange(10, 40)))))
    assert enough.verdict == "non-inferior"
    few = compare(spec(**given, reference=Recorded(answers(gold, np.arange(10, 39)))))
    assert (few.verdict, few.lower, few.upper) == ("inconclusive", None, None)
    assert few.notes == ["paired, no limits: only 19 units differ; resampling needs at least 20"]
    nearly_perfect = compare(spec(metric="macro_f1", wrong=19, at_least=0.5))
    assert nearly_perfect.verdict == "inconclusive"
    assert nearly_perfect.notes == ["no limits: only 19 units have an error; resampling needs at least 20"]


def test_tags_are_compared_on_known_cells_only():
    rng = np.random.default_rng(3)
    gold, flip, their_flip = rng.random((3, 800, 3)) < np.array([0.3, 0.08, 0.15])[:, None, None]
    known = rng.random((800, 3)) < 0.9
    given = {"metric": "micro_f1", "labels": 3, "margin": 0.02, "known": known, "gold": gold}
    result = compare(spec(**given, ours=gold ^ flip, reference=Recorded(gold ^ their_flip)))
    assert result.verdict == "superior"
    scrambled = compare(spec(**given, ours=np.where(known, gold ^ flip, ~gold), reference=Recorded(gold ^ their_flip)))
    assert scrambled == result


def test_auprc_needs_thirty_positives_and_scores():
    rng = np.random.default_rng(4)
    gold = np.arange(120)[:, None] < 29
    scores = gold + rng.random((120, 1))
    given = {"metric": "auprc", "gold": gold, "ours": scores, "labels": 1, "at_least": 0.5}
    result = compare(spec(**given))
    assert (result.verdict, result.lower) == ("inconclusive", None)
    assert result.notes == ["no limits: only 29 positives; average precision needs at least 30"]
    with pytest.raises(InputError) as caught:
        compare(spec(**given, reference=Recorded(gold)))
    assert caught.value.message == "a hard-label reference has no auprc; expected a score for each label"


def test_auprc_is_resampled():
    rng = np.random.default_rng(5)
    gold = rng.random((90, 1)) < 0.5
    result = compare(spec(metric="auprc", gold=gold, ours=gold + 1.5 * rng.random((90, 1)), labels=1, at_least=0.6))
    assert result.verdict == "superior"
    assert 0.6 < result.score_lower < result.score < result.score_upper <= 1


def test_the_same_comparison_gives_the_same_result_and_survives_json():
    given = {"metric": "macro_f1", "wrong": 80, "theirs_wrong": 120, "margin": 0.02, "at_least": 0.8}
    first, second = compare(spec(**given)), compare(spec(**given))
    assert first == second
    assert msgspec.json.decode(msgspec.json.encode(first), type=type(first)) == first


def test_a_comparison_that_makes_no_sense_is_refused():
    def message(error, **given):
        with pytest.raises(error) as caught:
            compare(spec(**given))
        return caught.value.message

    assert message(InputError) == "there is no bar; expected a reference, `at_least`, or both"
    assert message(InputError, at_least=0.5, margin=-1) == "margin is -1; expected a number of at least 0"
    assert message(InputError, at_least=0.5, look=0) == "look is 0; expected a count from 1"
    assert message(InputError, at_least=0.5, confidence=95) == (
        "confidence is 95; expected a number above 0.5 and below 1"
    )
    assert message(InputError, at_least=0.5, gold=np.array([], int)) == (
        "there is no row to compare on; expected at least 1"
    )
    assert message(ShapeError, at_least=0.5, units=[1, 2]) == "1000 rows have 2 units; expected one each"
    assert message(ShapeError, reference=Recorded(np.zeros(3, int))) == (
        "gold has shape (1000,) and the reference's answers (3,); expected equal"
    )
    assert message(InputError, reference=Recorded(np.zeros(1000, int), np.ones(1000, bool))) == (
        "all of the reference's answers are unscored; expected at least one"
    )
