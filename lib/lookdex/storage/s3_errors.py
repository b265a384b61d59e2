"""Translate botocore's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lookdex.errors import (
    AccessDenied,
    Archived,
    Changed,
    ConfigError,
    CredentialsRefused,
    LookdexError,
    NotFound,
    StorageError,
    Unavailable,
)

HOW_TO_GIVE_KEYS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role that has access"
)
# The store does not know these keys (any more): no request can succeed.
_KEYS_REFUSED = frozenset((
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
))  # fmt: skip


class ConflictError(StorageError):
    """Another writer is writing the same key (409)."""


class BucketIsOursError(StorageError):
    """The bucket to create exists, and is ours."""


class BrokenReadError(Unavailable):
    """The connection broke while a body was read. botocore does not retry that."""


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise botocore's errors as lookdex's. `what` is the URI, for the message."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise _translate_response(what, error) from error
    except (
        boto.ReadTimeoutError, boto.IncompleteReadError, boto.ResponseStreamingError, boto.FlexibleChecksumError,
    ) as error:  # fmt: skip
        raise BrokenReadError(f"{what}: {error}") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
        raise AccessDenied(f"{what}: {error}; {HOW_TO_GIVE_KEYS}") from error
    except (boto.ProfileNotFound, boto.ConfigParseError, boto.ParamValidationError, ValueError) as error:
        raise ConfigError(f"{what}: {error}") from error
    except boto.EndpointProviderError as error:  # no endpoint for this bucket and region
        raise ConfigError(
            f"{what}: {error}; correct the bucket's name, the region or the endpoint"
        ) from error
    except RecursionError as error:
        raise _redirect_error(what) from error
    except (boto.HTTPClientError, boto.BotoCoreError) as error:
        if isinstance(getattr(error, "kwargs", {}).get("error"), RecursionError):
            raise _redirect_error(what) from error
        raise Unavailable(f"{what}: {error}; check the endpoint and the network, then try again") from error


def _redirect_error(what: str) -> ConfigError:
    """The error for redirects without a region, which botocore follows until its stack overflows."""
    return ConfigError(
        f"{what}: the store redirects without naming a region; correct the endpoint (https?) or the region"
    )


def _translate_response(what: str, error: Any) -> LookdexError:
    code = error.response.get("Error", {}).get("Code", "")
    http = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = error.response.get("Error", {}).get("Message", "").rstrip(".") or code
    if code == "NoSuchBucket":
        return ConfigError(f"{what}: there is no such bucket; create it, or correct the URI")
    if code == "InvalidBucketName":
        return ConfigError(f"{what}: {text}; correct the URI")
    if code == "InvalidObjectState":
        return Archived(f"{what} is archived: restore it from its storage class")
    if code == "BucketAlreadyOwnedByYou":
        return BucketIsOursError(f"{what}: {text}")
    if code in ("ConditionalRequestConflict", "OperationAborted"):
        return ConflictError(f"{what}: {text}")
    if http == 404 or code in ("NoSuchKey", "NotFound"):
        return NotFound(f"{what} does not exist")
    if http == 412:
        return Changed(f"{what} changed since it was listed")
    if code in _KEYS_REFUSED:
        return CredentialsRefused(f"{what}: {text} ({code}); renew the keys: {HOW_TO_GIVE_KEYS}")
    if 300 <= http < 400 and http != 304:
        return _redirect_error(what)
    if code == "RequestTimeTooSkewed":
        return CredentialsRefused(f"{what}: {text} ({code}); set the clock of this machine")
    if http in (401, 403):
        return AccessDenied(f"{what}: {text}; {HOW_TO_GIVE_KEYS}")
    if http >= 500 or http == 429 or code in ("SlowDown", "RequestTimeout", "Throttling"):
        return Unavailable(f"{what}: the store answered {http} ({text}) after retries; try again later")
    return StorageError(f"{what}: the store answered {http} {code}: {text}")
