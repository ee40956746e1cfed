"""Near-duplicates: against every pair compared, and in clusters that would explode if every pair were met."""

import random

import numpy as np

from jangin.data.duplicates import THRESHOLD, jaccard, near_pairs
from jangin.data.text import bare_key


def pieces(text):
    padded = f" {text} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def similarity(a, b):
    return len(pieces(a) & pieces(b)) / len(pieces(a) | pieces(b))


def corpus(seed, count):
    """Sentences of few words, some changed a little, so that many similarities are near the threshold."""
    generator = random.Random(seed)
    words = ["".join(generator.choices("abcdefghijklmno가나다라마바사", k=generator.randint(1, 7))) for _ in range(400)]
    texts = [" ".join(generator.choices(words, k=generator.randint(1, 14))) for _ in range(count)]
    for _ in range(count):
        text = list(generator.choice(texts))
        for _ in range(generator.randint(1, 2)):
            text[generator.randrange(len(text))] = generator.choice("xyz ")
        texts.append("".join(text))
    return list(dict.fromkeys(filter(None, map(bare_key, texts))))


def test_jaccard_is_that_of_the_sets_of_three_character_pieces():
    texts = ["a", "ab", "abc", "the cat sat", "the cat sits", "카드를 잃어버렸어요", "카드 잃어버렸어요", "aaaaaaaa"]
    a, b = np.triu_indices(len(texts), 1)
    expected = [similarity(texts[i], texts[j]) for i, j in zip(a, b)]
    assert jaccard(texts, a, b).tolist() == expected


def test_nearly_every_near_duplicate_is_found_and_nothing_else():
    texts = corpus(seed=1, count=400)
    held_out = np.arange(len(texts)) % 3 == 0
    found = near_pairs(texts, held_out)
    assert all(similarity(texts[a], texts[b]) >= THRESHOLD for a, b in zip(found.a, found.b))
    a, b = np.triu_indices(len(texts), 1)
    near = jaccard(texts, a, b) >= THRESHOLD
    a, b = a[near], b[near]
    assert len(a) > 100
    assert (found.cluster[a] == found.cluster[b]).mean() >= 0.99
    across = held_out[a] != held_out[b]
    truly_crossed = set(a[across]) | set(b[across])
    across = held_out[found.a] != held_out[found.b]
    crossed = set(found.a[across]) | set(found.b[across])
    assert crossed <= truly_crossed
    assert len(crossed) >= 0.99 * len(truly_crossed)


def test_the_same_texts_give_the_same_pairs():
    texts = corpus(seed=2, count=300)
    first, second = (near_pairs(texts, np.zeros(len(texts), bool)) for _ in range(2))
    assert np.array_equal(first.a, second.a) and np.array_equal(first.cluster, second.cluster)


def test_a_large_cluster_is_joined_with_few_pairs():
    ending = "has left our house in the north and will be with you within the next two days"
    texts = [f"your order {number} {ending}" for number in range(100_000, 108_000)]
    held_out = np.arange(len(texts)) % 100 == 0
    found = near_pairs(texts, held_out)
    assert len(set(found.cluster)) == 1
    assert len(found.a) < 20 * len(texts)  # every pair would be 32 million
    across = held_out[found.a] != held_out[found.b]
    assert len(set(found.a[across]) | set(found.b[across])) >= 0.99 * len(texts)


def test_no_text_or_one_text_has_no_pair():
    for texts in ([], ["one"], ["a", "b"]):
        found = near_pairs(texts, np.zeros(len(texts), bool))
        assert len(found.a) == 0
        assert found.cluster.tolist() == list(range(len(texts)))
