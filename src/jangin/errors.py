"""Every error a user can meet, each with a stable code, a hint that mends it, and whether a retry may help.

    JanginError
    ├── InputError              the user's files or flags are wrong (exit 2)
    │   ├── TaskError           task.yaml
    │   ├── DataError           rows, labels, encodings, leaks
    │   ├── BundleError         a specialist's folder is broken or does not fit
    │   ├── CertificateError    a certificate or a register cannot be used
    │   └── RequestError        an HTTP request (has `status`, `param`)
    │       ├── Overloaded      too much waits already (429, retryable)
    │       └── OverLimit       more than this key may (429, retryable)
    ├── BaseModelError          weights
    │   ├── UnknownBaseError    not in the catalogue
    │   ├── HashMismatchError   the bytes are not the ones that were pinned
    │   └── SourceError         no source could deliver (retryable)
    ├── MissingExtraError       an optional dependency is not installed
    ├── StorageError            disk full, read-only, not permitted
    │   ├── LedgerError         the ledger: damaged, of a newer schema, locked, unreachable
    │   │   └── RowRefused      a row breaks a rule of its columns: it alone is not written
    │   └── AuditError          the audit log cannot be written or continued: what needs it must stop
    ├── EngineError             the engine process died, hung or is overloaded (retryable)
    ├── PiiError                personal data could not be looked for or taken out: nothing is released
    ├── EndpointError           a model API refuses every request: key, model, address
    ├── EgressDenied            a rule, or a guard that could not do its work, kept a request here (has `reason`)
    ├── EgressFailed            it was allowed to leave, but no whole answer came (has `reason`, `left`; retryable)
    ├── SandboxError            this machine cannot keep a program apart
    └── ShapeError              two arrays that must match do not

A message says what, which value and what was expected; `hint` says what to do. Neither holds the text of an example.
"""

from __future__ import annotations

import math
from typing import Any


class JanginError(Exception):
    """Base of all expected errors. `exit_code` is what the command line returns."""

    code = "jangin_error"
    exit_code = 2
    retryable = False

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  try: {self.hint}" if self.hint else self.message


class InputError(JanginError):
    code = "bad_input"


class TaskError(InputError):
    code = "bad_task"


class DataError(InputError):
    code = "bad_data"


class BundleError(InputError):
    code = "bad_bundle"


class CertificateError(InputError):
    code = "bad_certificate"


class RequestError(InputError):
    """A request that the server refuses; rendered in OpenAI's error shape."""

    code = "invalid_request"

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status = status
        self.param = param
        if code:
            self.code = code


class Overloaded(RequestError):
    """Too much waits already; the same request may pass after `retry_after_s`."""

    retryable = True

    def __init__(self, message: str, retry_after_s: int):
        super().__init__(message, status=429, code="overloaded")
        self.retry_after_s = retry_after_s


class OverLimit(RequestError):
    """A limit or budget of the key's; the same request may pass after `retry_after_s`."""

    retryable = True

    def __init__(self, message: str, code: str, retry_after_s: float):
        super().__init__(message, status=429, code=code)
        self.retry_after_s = max(1, math.ceil(retry_after_s))


class BaseModelError(JanginError):
    code = "base_model"


class UnknownBaseError(BaseModelError):
    code = "unknown_base"


class HashMismatchError(BaseModelError):
    code = "hash_mismatch"


class SourceError(BaseModelError):
    code = "source_unavailable"
    retryable = True


class MissingExtraError(JanginError):
    code = "missing_extra"

    def __init__(self, what: str, extra: str):
        super().__init__(f"{what} needs the extra '{extra}', which is not installed", f"pip install 'jangin[{extra}]'")


class StorageError(JanginError):
    code = "storage"


class LedgerError(StorageError):
    code = "ledger"


class RowRefused(LedgerError):
    """A row breaks a rule of its table. `rule` names the rule; the value is never shown."""

    def __init__(self, rule: str):
        super().__init__(f"the ledger refuses a row: {rule}", "a column holds a name, a count or a hash, never a text")
        self.rule = rule


class AuditError(StorageError):
    code = "audit"


class EngineError(JanginError):
    code = "engine"
    retryable = True
    exit_code = 1


class PiiError(JanginError):
    code = "pii"
    exit_code = 1


class EndpointError(JanginError):
    code = "endpoint"


class EgressDenied(JanginError):
    """Nothing of this request was sent from here on. `reason`: a short name; `param`: the parameter it is about.

    left: what earlier tries of the same request had sent, where there were any (egress.answers.Left).
    """

    code = "egress_denied"
    exit_code = 1

    def __init__(
        self, reason: str, message: str, hint: str | None = None, *, status: int = 403, param: str | None = None
    ):
        super().__init__(message, hint)
        self.reason, self.status, self.param = reason, status, param
        self.left: Any = None


class EgressFailed(JanginError):
    """The other side gave no whole answer. `left`: what was sent all the same (egress.answers.Left), or None."""

    code = "egress_failed"
    exit_code = 1
    retryable = True

    def __init__(
        self,
        reason: str,
        message: str,
        hint: str | None = None,
        *,
        status: int = 502,
        retry_after_s: float | None = None,
        retryable: bool = True,
    ):
        super().__init__(message, hint)
        self.reason, self.status, self.retry_after_s, self.retryable = reason, status, retry_after_s, retryable
        self.left: Any = None


class SandboxError(JanginError):
    """This machine cannot keep a program apart, so none was run."""

    code = "no_sandbox"


class ShapeError(JanginError):
    code = "shape"
