"""What the HTTP process and an engine process say to each other: msgpack frames, each after its length in 4 bytes."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from jangin.tools import Talk
from jangin.types import Kind

_LENGTH = 4
F = TypeVar("F")


class Info(msgspec.Struct, frozen=True, array_like=True):
    """What a loaded specialist is, as the engine read it after checking every hash."""

    name: str
    kind: Kind
    labels: list[str]
    sha256: str
    rung: str
    params: int
    base: str | None
    task: str | None
    writing: WritingInfo | None = None


class WritingInfo(msgspec.Struct, frozen=True, array_like=True):
    """What bounds the answers of `extract` and `generate`: tokens of one answer, tokens of prompt and answer.

    copies: values are copied, no token is written, so that none has a probability. tools: the convention in which it
    calls functions; None when it cannot.
    """

    max_tokens: int
    context: int
    schema: dict[str, Any] | None
    copies: bool = False
    tools: str | None = None


class Load(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """`sha256`: the identity that the folder must (still) have; None when it is read for the first time."""

    id: int
    handle: int
    folder: str
    sha256: str | None


class Unload(msgspec.Struct, frozen=True, array_like=True, tag=1):
    id: int
    handle: int


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Rendered texts for one specialist."""

    id: int
    handle: int
    texts: list[str]


class Write(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """One rendered input, or `talk`, for a specialist that writes. It is answered by one Finished or Failed, Pieces
    before it.

    max_tokens: None for the bundle's own. logprobs: also every token's, and the `top` likeliest beside it. stream: the
    text is wanted as it comes. An empty Piece says only that the engine is at work.
    """

    id: int
    handle: int
    text: str
    max_tokens: int | None = None
    stop: list[str] = []
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    schema: dict[str, Any] | None = None
    logprobs: bool = False
    top: int = 0
    stream: bool = False
    talk: Talk | None = None


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Nobody wants the answer to the Write of this id any more."""

    id: int


class Fit(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Makes the router of this engine: one specialist a profile, which is the file at the path. base, encoder: the
    catalogue's name of the encoder that all of them were made on, and the sha256 of its graph."""

    id: int
    base: str
    encoder: str
    profiles: list[tuple[int, str]]


class Direct(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Rendered texts for whichever specialist they are for."""

    id: int
    texts: list[str]


class Loaded(msgspec.Struct, frozen=True, array_like=True, tag=0):
    id: int
    info: Info


class Unloaded(msgspec.Struct, frozen=True, array_like=True, tag=1):
    id: int


class Answers(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """For n texts and k labels: float32 (n, k) probabilities; which labels are given, uint8 (n, k); float32 (n,).

    text_s: seconds of work per text in the batch that this answer came from.
    """

    id: int
    probabilities: bytes
    given: bytes
    confidence: bytes
    text_s: float


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """`code` is the code of a JanginError; 'engine' when the engine itself stumbled. `status`: of a RequestError."""

    id: int
    code: str
    message: str
    hint: str | None
    status: int | None = None
    param: str | None = None


class Told(msgspec.Struct, frozen=True, array_like=True):
    """One token of an answer: its bytes, ln of its probability, the likeliest in its place, and how many characters of
    the answer stand before it."""

    piece: bytes
    logprob: float
    top: list[tuple[bytes, float]]
    at: int


class Piece(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The next part of an answer, with the tokens that end in it when they were asked for."""

    id: int
    text: str
    tokens: list[Told] = []


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The end of one answer. Pieces and `rest`, joined, are its text, without white space around it.

    finish: "stop", "length" or "cancelled". cached_tokens: of the prompt, those that were not read again. confidence,
    fields: as `models.writer.Written` says. tokens: those of `rest`. ttft_s: from the order's arrival to the first
    text, waiting included. work_s: from the beginning of work to its end. share_s: work_s over the answers that are
    written at once.
    """

    id: int
    rest: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    confidence: float | None
    fields: dict[str, float] | None
    tokens: list[Told]
    ttft_s: float | None
    waited_s: float
    work_s: float
    share_s: float


class Fitted(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """broken: handle -> what is wrong with its profile. With any of these there is no router."""

    id: int
    broken: dict[int, str] = {}


class Directed(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """For each text the handle of the nearest specialist, and how much nearer than its limit the text lies: below 0 it
    is for none. answers: handle -> for its texts in order, of the specialists that answer from the same forward pass.
    """

    id: int
    nearest: list[int]
    margins: list[float]
    answers: dict[int, Answers]
    text_s: float


Order = Load | Unload | Ask | Write | Cancel | Fit | Direct
Report = Loaded | Unloaded | Answers | Failed | Piece | Finished | Fitted | Directed

_encoder = msgspec.msgpack.Encoder()


def pack(frame: Order | Report) -> bytes:
    buffer = bytearray(_LENGTH)
    _encoder.encode_into(frame, buffer, _LENGTH)
    buffer[:_LENGTH] = (len(buffer) - _LENGTH).to_bytes(_LENGTH, "big")
    return bytes(buffer)


class Unpacker(Generic[F]):
    """Bytes as they arrive -> whole frames."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[F]):
        self._decode = decoder.decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[F]:
        buffer = self._buffer
        buffer += data
        frames, at = [], 0
        view = memoryview(buffer)
        while len(buffer) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(view[at : at + _LENGTH], "big")
            if end > len(buffer):
                break
            frames.append(self._decode(view[at + _LENGTH : end]))
            at = end
        view.release()
        del buffer[:at]
        return frames
