"""A decoder as a classifier: after the prompt, one token a label, their probabilities in one pass, nothing decoded."""

from __future__ import annotations

from collections.abc import Sequence

from jangin.models.base import Floats
from jangin.models.shared import Held
from jangin.prompt import PromptTemplate


class LabelReader:
    """One base with one adapter. One prompt at a time: an answer never depends on the company it came in."""

    def __init__(self, held: Held, template: PromptTemplate, label_tokens: Sequence[int]):
        self._held, self._template, self._tokens = held, template, list(label_tokens)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Log-probabilities of the labels, shape (len(texts), labels); each row's probabilities sum to 1.

        A prompt that is longer than the context is cut at the end of its text.
        Raises: EngineError.
        """
        with self._held.engine() as engine:
            room = engine.context - 1
            prompts = [self._template.tokens(text, engine.tokenize, room=room) for text in texts]
            return engine.score_labels(prompts, self._tokens, adapter=self._held.adapter)

    def embed(self, texts: Sequence[str]) -> Floats:
        """A label reader gives logits; here they are, for who asks any reader alike."""
        return self.logits(texts)
