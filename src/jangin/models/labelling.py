"""A decoder as a classifier: after the prompt, one token a label, their probabilities in one pass, nothing decoded.

`classify` reads the labels' log-probabilities. `tag` asks for any subset of them, so no label's probability may cost
another's: it reads how much likelier each is than one further token, which stands for "no".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jangin.models.base import Floats
from jangin.models.shared import Held
from jangin.prompt import PromptTemplate


def against_last(scores: Floats) -> Floats:
    """(rows, labels + 1) -> (rows, labels): each label's score less the last one's."""
    return np.asarray(scores[:, :-1] - scores[:, -1:], np.float32)


class LabelReader:
    """One base with one adapter. One prompt at a time: an answer never depends on the company it came in."""

    def __init__(self, held: Held, template: PromptTemplate, label_tokens: Sequence[int], offset: int | None = None):
        """offset: the token that labels are compared with; None compares them with one another."""
        self._held, self._template, self._tokens = held, template, list(label_tokens)
        self._offset = offset

    def logits(self, texts: Sequence[str]) -> Floats:
        """Log-probabilities of the labels, shape (len(texts), labels); each row's probabilities sum to 1. With an
        offset each label's log-odds against it instead.

        A prompt that is longer than the context is cut at the end of its text.
        Raises: EngineError.
        """
        with self._held.engine() as engine:
            room = engine.context - 1
            prompts = [self._template.tokens(text, engine.tokenize, room=room) for text in texts]
            if self._offset is None:
                return engine.score_labels(prompts, self._tokens, adapter=self._held.adapter)
            return against_last(engine.score_labels(prompts, [*self._tokens, self._offset], adapter=self._held.adapter))

    def embed(self, texts: Sequence[str]) -> Floats:
        """A label reader gives logits; here they are, for who asks any reader alike."""
        return self.logits(texts)
