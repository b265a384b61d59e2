"""What can go wrong, as a tree. A bad image is data (see `records.Reason`), never an exception.

LookdexError
├── ConfigError            a setting, flag or file of settings is wrong          → exit code 2
│   ├── DeviceUnavailable  the device asked for is not on this machine
│   ├── MissingExtra       a package is needed that only an extra of lookdex brings
│   └── ModelNotFound      no model under that name, id or folder
├── StorageError           the store refused, or cannot be reached
│   ├── NotFound           no such object
│   ├── Changed            the object is another one than was asked for (If-Match failed)
│   ├── AccessDenied       no credentials, wrong ones, or no right to do this
│   │   └── CredentialsRefused   the credentials are expired or unknown: no request can succeed
│   ├── Archived           the object must be restored from its storage class before it can be read
│   ├── DamagedInTransit   at every attempt, the bytes that arrived were not those stored
│   ├── Unavailable        5xx, throttled, connection broken, timeout: worth another try later
│   ├── TooSlow            a table was not read within the time limit of a query
│   ├── TooLarge           more bytes than the caller allows
│   ├── NotAFile           a folder, a pipe, a socket or a device where a folder's file should be; CorruptData, too
│   └── UnsafeStore        the store ignores If-None-Match: two promoters could both win
├── MassChange             the night would remove, reject or miss too large a share of the catalogue
├── PlanNotFound           the run has no plan for what is live now
├── ModelFailed            a model raised, died, or returned an impossible answer
├── TaskFailed             a Spark task failed as often as it may
├── Stopped                Spark was shut down from outside                     → exit code 143
├── ShardsMissing          some shards of the plan have no report yet
├── CorruptData            bytes are not those that were written, or a table cannot be read
├── NewerFormat            a record or a table was written by a newer lookdex: upgrade
├── EmptyBuild             a release without rows
├── ForeignTransaction     another builder wrote to the table
├── AuditFailed            a check returned offending rows                       → exit code 3
├── PromotionConflict      another release went live first, or the parent is no longer live
│   ├── PromotionHeld      a rollback holds promotions until `lookdex resume`    → exit code 3
│   └── RolledBack         the run's release was live, and a rollback undid it
├── ReleaseNotFound        no such release, or nothing is live yet
├── ForkedProcess          a catalogue that was opened before a fork is used after it
├── ModelMismatch          the query's model is not the one the release was built with
│   └── ModelNotTrusted    the catalogue names a model that the settings here do not         → exit code 2
└── BadQuery               the question cannot be answered as asked (photo, box, filter, argument) → exit code 2
    ├── ProductNotFound    the release has no such product
    └── ReleaseChanged     a further page was asked of a release that no longer answers

Every message says what happened, to what, and what to do next.
"""

from __future__ import annotations


class LookdexError(Exception):
    """Base of every error that lookdex raises on purpose; `exit_code` is what the command line returns."""

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
    """number: index of the payload that failed, if the engine reports it. cause: the worker's own message."""

    def __init__(self, message: str, number: int | None = None, cause: str = ""):
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
    """The candidate broke a check. `offenders` maps the check's name to a few of its offending rows."""

    exit_code = 3

    def __init__(self, message: str, offenders: dict[str, list[dict[str, object]]] | None = None):
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
