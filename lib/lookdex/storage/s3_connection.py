"""The S3 session and clients of a process, and the same connection as options for Lance."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import Any

from lookdex.errors import AccessDenied, StorageError
from lookdex.storage.base import ReadOptions, Requests, S3Access, Signing
from lookdex.storage.s3_deadline import make_breakable
from lookdex.storage.s3_errors import HOW_TO_GIVE_KEYS, translate_errors

POOL_CONNECTIONS = 64  # at least the number of threads of any caller


@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits of requests."""

    connect: float
    """Seconds to connect."""
    read: float
    """Seconds without a byte."""
    attempts: int
    """Of boto3."""
    lance: dict[str, str]
    """The same limits as options of Lance."""


_PATIENT = _Limits(5.0, 30.0, 5, {})  # similar to Lance's defaults
# Without the last two options, Lance retries for about ten seconds when the store does not answer.
_HURRIED = _Limits(
    2.0,
    5.0,
    2,
    {
        "connect_timeout": "2s",
        "read_timeout": "5s",
        "client_max_retries": "2",
        "client_retry_timeout": "5",
        "lance_aimd_max_retries": "0",
    },
)
# Credentials from these providers expire within hours; Lance's own AWS chain finds and refreshes them.
SELF_REFRESHED = ("iam-role", "container-role", "assume-role-with-web-identity")

log = logging.getLogger(__name__)
Client = Any  # boto3 publishes no types
Response = dict[str, Any]  # of a client, or an entry of it


@dataclass(frozen=True, slots=True)
class _Session:
    """The boto3 session of a process."""

    process: int
    session: Any
    client: Client
    more: dict[str, Any]
    """Settings that all its clients share."""


class Connection:
    """The boto3 clients of a process, created on first use. Copies in other processes create their own."""

    def __init__(self, access: S3Access | None, options: ReadOptions) -> None:
        self.requests = Requests()
        self.options = options
        self._limits = _HURRIED if options.hurry else _PATIENT
        self._access = access
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._reader: tuple[int, Client] | None = None
        self._regions: dict[str, str] = {}

    def __reduce__(self) -> tuple[type[Connection], tuple[S3Access | None, ReadOptions]]:
        return (Connection, (self._access, self.options))

    def client(self) -> Client:
        return self._current_session().client

    def reader(self) -> Client:
        """A client that sends each request once and obeys `s3_deadline.until`, for callers that retry themselves."""
        current, reader = self._current_session(), self._reader
        if reader is None or reader[0] != current.process:
            with self._lock:
                reader = self._reader
                if reader is None or reader[0] != current.process:
                    timeout = min(self._limits.read, self.options.seconds / 3)
                    client = make_breakable(self._create_client(current.session, timeout, 1, **current.more))
                    reader = self._reader = (current.process, client)
        return reader[1]

    def _current_session(self) -> _Session:
        current = self._session
        if current is None or current.process != os.getpid():
            with self._lock:
                current = self._session
                if current is None or current.process != os.getpid():
                    current = self._session = self._connect()
        return current

    def _connect(self) -> _Session:
        import boto3

        more: dict[str, Any] = {}
        limits = self._limits
        with translate_errors("S3"):
            if self._access:
                session = boto3.Session(
                    aws_access_key_id=self._access.access_key,
                    aws_secret_access_key=self._access.secret_key,
                    region_name=self._access.region,
                )
            else:
                session = boto3.Session()
            client = self._create_client(session, limits.read, limits.attempts)
            if not is_amazon(client):
                # Path-style, because a server without a DNS name has no host name per bucket. No checksum trailers,
                # because many S3-compatible servers do not support them.
                more = {
                    "s3": {"addressing_style": "path"},
                    "request_checksum_calculation": "when_required",
                    "response_checksum_validation": "when_required",
                }
                client = self._create_client(session, limits.read, limits.attempts, **more)
        return _Session(os.getpid(), session, client, more)

    def _create_client(self, session: Any, timeout: float, attempts: int, **more: Any) -> Client:
        from botocore import UNSIGNED
        from botocore.config import Config

        if self.options.signing is Signing.ANONYMOUS:
            more["signature_version"] = UNSIGNED
        config = Config(
            connect_timeout=min(self._limits.connect, timeout),
            read_timeout=timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=POOL_CONNECTIONS,
            tcp_keepalive=True,
            **more,
        )
        client = session.client(
            "s3",
            endpoint_url=self._access.endpoint if self._access else None,
            region_name=session.region_name or "us-east-1",
            config=config,
        )
        client.meta.events.register("before-send.s3", self._count)
        return client

    def _count(self, event_name: str, **_: object) -> None:
        self.requests.add(event_name.rpartition(".")[2])

    def lance_options(self, bucket: str) -> dict[str, str]:
        current = self._current_session()
        client = current.client
        endpoint = client.meta.endpoint_url
        if is_amazon(client):
            options = {"aws_region": self._find_region(bucket)}
        else:
            options = {
                "aws_region": client.meta.region_name,
                "aws_endpoint": endpoint,
                "aws_virtual_hosted_style_request": "false",
            }
            if endpoint.startswith("http://"):
                options["allow_http"] = "true"
        options |= self._limits.lance
        with translate_errors("S3"):
            credentials = current.session.get_credentials()
            if credentials is None:
                raise AccessDenied(f"no S3 credentials found for {endpoint}; {HOW_TO_GIVE_KEYS}")
            if credentials.method in SELF_REFRESHED:
                return options
            frozen = credentials.get_frozen_credentials()
        options |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
        if frozen.token:
            options["aws_session_token"] = frozen.token
        return options

    def _find_region(self, bucket: str) -> str:
        """The bucket's region, requested once: unlike boto3, Lance does not follow redirects to it."""
        if bucket not in self._regions:
            client = self.client()
            try:
                with translate_errors(f"s3://{bucket}"):
                    answer = client.head_bucket(Bucket=bucket)
                headers = answer["ResponseMetadata"]["HTTPHeaders"]
                self._regions[bucket] = headers.get("x-amz-bucket-region") or client.meta.region_name
            except StorageError as error:  # no permission to request it: use the configured region
                log.info("%s: its region is taken from the settings", error)
                return str(client.meta.region_name)
        return self._regions[bucket]


def is_amazon(client: Client) -> bool:
    return str(client.meta.endpoint_url).endswith((".amazonaws.com", ".amazonaws.com.cn"))
