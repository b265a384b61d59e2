"""All errors, as a tree. A bad photo is data (see `records.Reason`), never an exception.

LookdexError
├── ConfigError            a setting, flag or settings file is wrong             → exit code 2
│   ├── DeviceUnavailable  this machine does not have the requested device
│   ├── MissingExtra       a package of an optional extra is not installed
│   └── ModelNotFound      no model with that name, id or folder
├── StorageError           the store refused a request or cannot be reached
│   ├── NotFound           no such object
│   ├── Changed            the object was replaced (If-Match failed)
│   ├── AccessDenied       missing or wrong credentials, or no permission
│   │   └── CredentialsRefused   the credentials are expired or unknown: no request can succeed
│   ├── Archived           the object must be restored from its storage class before it can be read
│   ├── DamagedInTransit   at every attempt, other bytes arrived than are stored
│   ├── Unavailable        5xx, throttling, broken connection or timeout: try again later
│   ├── TooSlow            a table was not read within the time limit of a query
│   ├── TooLarge           more bytes than the caller allows
│   ├── NotAFile           a folder, pipe, socket or device instead of a file; also a CorruptData
│   └── UnsafeStore        the store ignores If-None-Match: two promotions could both succeed
├── MassChange             the night would remove, reject or miss too large a share of the catalogue
├── PlanNotFound           the run has no plan for the current live release
├── ModelFailed            a model raised, crashed, or returned an invalid result
├── TaskFailed             a Spark task failed at every attempt
├── Stopped                Spark was shut down from outside                      → exit code 143
├── ShardsMissing          some shards of the plan have no report yet
├── CorruptData            bytes are not those that were written, or a table cannot be read
├── NewerFormat            a newer lookdex wrote a record or table: upgrade
├── EmptyBuild             the release would have no rows
├── ForeignTransaction     another program wrote to the table
├── AuditFailed            a check returned offending rows                       → exit code 3
├── PromotionConflict      another release went live first, or the parent is no longer live
│   ├── PromotionHeld      a rollback holds promotions until `lookdex resume`    → exit code 3
│   └── RolledBack         the run's release was live and was rolled back
├── ReleaseNotFound        no such release, or nothing is live yet
├── ForkedProcess          a catalogue that was opened before a fork is used after it
├── ModelMismatch          the model of the query is not that of the release
│   └── ModelNotTrusted    the catalogue names a model that the settings do not  → exit code 2
└── BadQuery               a wrong photo, box, filter or argument                → exit code 2
    ├── ProductNotFound    the release has no such product
    └── ReleaseChanged     the next page was requested from a release that is no longer live

Every message says what happened, to what, and what to do next.
"""

from __future__ import annotations


class LookdexError(Exception):
    """Base of all errors that lookdex raises. exit_code: of the command line."""

    exit_code = 1


class ConfigError(LookdexError):
    exit_code = 2


class DeviceUnavailable(ConfigError): ...


class MissingExtra(ConfigError): ...


class ModelNotFound(ConfigError): ...


class StorageError(LookdexError): ...


class NotFound(StorageError): ...


class Changed(StorageError): ...


class AccessDenied(StorageError): ...


class CredentialsRefused(AccessDenied): ...


class Archived(StorageError): ...


class DamagedInTransit(StorageError): ...


class Unavailable(StorageError): ...


class TooSlow(StorageError): ...


class TooLarge(StorageError): ...


class UnsafeStore(StorageError): ...


class MassChange(LookdexError): ...


class PlanNotFound(LookdexError): ...


class ModelFailed(LookdexError): ...


class TaskFailed(LookdexError):
    """number: index of the failed payload, if the engine reports it. cause: the worker's message."""

    def __init__(self, message: str, number: int | None = None, cause: str = "") -> None:
        super().__init__(message)
        self.number, self.cause = number, cause or message


class Stopped(LookdexError):
    exit_code = 143


class ShardsMissing(LookdexError): ...


class CorruptData(LookdexError): ...


class NotAFile(StorageError, CorruptData): ...


class NewerFormat(LookdexError): ...


class EmptyBuild(LookdexError): ...


class ForeignTransaction(LookdexError): ...


class AuditFailed(LookdexError):
    """The candidate failed a check. offenders: the first offending rows of each failed check."""

    exit_code = 3

    def __init__(self, message: str, offenders: dict[str, list[dict[str, object]]] | None = None) -> None:
        super().__init__(message)
        self.offenders = offenders or {}


class PromotionConflict(LookdexError): ...


class PromotionHeld(PromotionConflict):
    exit_code = 3


class RolledBack(PromotionConflict): ...


class ReleaseNotFound(LookdexError): ...


class ForkedProcess(LookdexError): ...


class ModelMismatch(LookdexError): ...


class ModelNotTrusted(ModelMismatch):
    exit_code = 2


class BadQuery(LookdexError):
    exit_code = 2


class ProductNotFound(BadQuery): ...


class ReleaseChanged(BadQuery): ...
