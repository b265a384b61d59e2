"""All errors, as a tree. Exit codes are those of the command line: 1 where none is given.

LookdexError
├── ConfigError              → exit code 2
│   ├── DeviceUnavailable
│   ├── MissingExtra
│   └── ModelNotFound
├── StorageError
│   ├── NotFound
│   ├── Changed
│   ├── AccessDenied
│   │   └── CredentialsRefused
│   ├── Archived
│   ├── DamagedInTransit
│   ├── Unavailable
│   ├── TooSlow
│   ├── TooLarge
│   ├── UnsafeStore
│   └── NotAFile             also a CorruptData
├── MassChange
├── PlanNotFound
├── ModelFailed
├── TaskFailed
├── Stopped                  → exit code 143
├── ShardsMissing
├── CorruptData
├── NewerFormat
├── EmptyBuild
├── ForeignTransaction
├── AuditFailed              → exit code 3
├── PromotionConflict
│   ├── PromotionHeld        → exit code 3
│   └── RolledBack
├── ReleaseNotFound
├── ForkedProcess
├── ModelMismatch
│   └── ModelNotTrusted      → exit code 2
└── BadQuery                 → exit code 2
    ├── ProductNotFound
    └── ReleaseChanged

A bad photo is data (see `records.Reason`), never an exception.
Every message says what happened, to what, and what to do next.
"""

from __future__ import annotations


class LookdexError(Exception):
    """Base class of all errors of lookdex. `exit_code` is that of the command line."""

    exit_code = 1


class ConfigError(LookdexError):
    """A setting, a flag or the settings file is wrong. Correct it."""

    exit_code = 2


class DeviceUnavailable(ConfigError):
    """This machine does not have the requested device. Choose another `device`."""


class MissingExtra(ConfigError):
    """A package of an optional extra is not installed. Install the extra that the message names."""


class ModelNotFound(ConfigError):
    """There is no model with that name, hub id or folder. Correct the setting."""


class StorageError(LookdexError):
    """The store refused a request, or a file cannot be read."""


class NotFound(StorageError):
    """There is no such object."""


class Changed(StorageError):
    """The object was replaced while it was read (If-Match failed). Read it again."""


class AccessDenied(StorageError):
    """The credentials are missing or wrong, or lack a permission."""


class CredentialsRefused(AccessDenied):
    """The credentials are unknown or have expired: no request can succeed. Renew them."""


class Archived(StorageError):
    """The object lies in an archive storage class. Restore it before reading it."""


class DamagedInTransit(StorageError):
    """Every attempt received other bytes than are stored. Check the network and proxies."""


class Unavailable(StorageError):
    """The store cannot be reached, throttles, or failed (5xx, timeout). Try again later."""


class TooSlow(StorageError):
    """A read of a table took longer than a query may. Try again, or raise `read_seconds`."""


class TooLarge(StorageError):
    """The object has more bytes than the caller allows."""


class UnsafeStore(StorageError):
    """The store ignores If-None-Match, so two promotions could both succeed. Use another store."""


class MassChange(LookdexError):
    """The run would remove, reject or miss too large a share of the catalogue. Check the source first."""


class PlanNotFound(LookdexError):
    """The run has no plan for the live release. Plan it again; finished shards are kept."""


class ModelFailed(LookdexError):
    """A model raised, crashed, or returned an invalid result. Fix the model or its settings."""


class TaskFailed(LookdexError):
    """A Spark task failed at every attempt. See the cause in the message.

    Args:
        number: index of the failed payload, if the engine reports it.
        cause: the worker's message.
    """

    def __init__(self, message: str, number: int | None = None, cause: str = "") -> None:
        super().__init__(message)
        self.number, self.cause = number, cause or message


class Stopped(LookdexError):
    """Spark was shut down from outside. Run the command again: finished shards are kept."""

    exit_code = 143


class ShardsMissing(LookdexError):
    """Some shards of the plan have no report yet. Index them, then build again."""


class CorruptData(LookdexError):
    """Stored bytes are not those that were written, or a table cannot be read. See the message."""


class NotAFile(StorageError, CorruptData):
    """A folder, pipe, socket or device is where a file should be."""


class NewerFormat(LookdexError):
    """A newer lookdex wrote a record or a table. Upgrade lookdex."""


class EmptyBuild(LookdexError):
    """The release would have no rows. Nothing was built: look at the reasons of the rejected photos."""


class ForeignTransaction(LookdexError):
    """Another program wrote to a table of the catalogue."""


class AuditFailed(LookdexError):
    """A check of the candidate returned offending rows. Nothing went live.

    Args:
        offenders: the first offending rows of each failed check.
    """

    exit_code = 3

    def __init__(self, message: str, offenders: dict[str, list[dict[str, object]]] | None = None) -> None:
        super().__init__(message)
        self.offenders = offenders or {}


class PromotionConflict(LookdexError):
    """Another release went live first, or the parent is no longer live. Run the night again."""


class PromotionHeld(PromotionConflict):
    """A rollback holds promotions until `lookdex resume`."""

    exit_code = 3


class RolledBack(PromotionConflict):
    """The run's release was live and was rolled back. Start a new run."""


class ReleaseNotFound(LookdexError):
    """There is no such release, or nothing is live yet."""


class ForkedProcess(LookdexError):
    """A catalogue that was opened before a fork is used after it. Open it after the fork."""


class ModelMismatch(LookdexError):
    """The model of the query is not that of the release. Use the model that the message names."""


class ModelNotTrusted(ModelMismatch):
    """The release names a model that the settings do not. Add it to `trusted_models` if you trust it."""

    exit_code = 2


class BadQuery(LookdexError):
    """A photo, a box, a filter or another argument is wrong. The message says what it may be."""

    exit_code = 2


class ProductNotFound(BadQuery):
    """The release has no such product."""


class ReleaseChanged(BadQuery):
    """The next page was requested from a release that is no longer live. Start again at the first page."""
