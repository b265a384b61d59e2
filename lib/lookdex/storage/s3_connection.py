"""How one process talks to S3: its session, its clients, and the options for Lance."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import Any

from lookdex.errors import AccessDenied, StorageError
from lookdex.storage.base import ReadOptions, Requests, S3Access, Signing
from lookdex.storage.s3_deadline import breakable
from lookdex.storage.s3_errors import HOW_TO_GIVE_KEYS, typed_errors

POOL_CONNECTIONS = 64  # at least as many as any caller has threads


@dataclass(frozen=True, slots=True)
class _Limits:
    """Of requests. connect, read: seconds, the latter without a byte. attempts: of boto3. lance: options with which
    Lance does alike."""

    connect: float
    read: float
    attempts: int
    lance: dict[str, str]


_PATIENT = _Limits(5.0, 30.0, 5, {})  # Lance's own defaults are of this kind
# Without the last two, Lance asks a store that is gone for some ten seconds.
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


@dataclass(frozen=True, slots=True)
class _Made:
    """What a process creates on first use. more: settings that all its clients share."""

    process: int
    session: Any
    client: Any
    more: dict[str, Any]


class Connection:
    """One set of boto3 clients per process, made when first used; copies sent to other processes start without one."""

    def __init__(self, access: S3Access | None, options: ReadOptions):
        self.requests = Requests()
        self.options = options
        self._limits = _HURRIED if options.hurry else _PATIENT
        self._access = access
        self._lock = threading.Lock()
        self._made: _Made | None = None
        self._reader: tuple[int, Any] | None = None
        self._regions: dict[str, str] = {}

    def __reduce__(self) -> tuple[type[Connection], tuple[S3Access | None, ReadOptions]]:
        return (Connection, (self._access, self.options))

    def client(self) -> Any:
        return self._of_process().client

    def reader(self) -> Any:
        """A client that sends each request once and obeys `s3_deadline.until`, for callers that retry themselves."""
        made, reader = self._of_process(), self._reader
        if reader is None or reader[0] != made.process:
            with self._lock:
                reader = self._reader
                if reader is None or reader[0] != made.process:
                    timeout = min(self._limits.read, self.options.seconds / 3)
                    client = breakable(self._client_of(made.session, timeout, 1, **made.more))
                    reader = self._reader = (made.process, client)
        return reader[1]

    def _of_process(self) -> _Made:
        made = self._made
        if made is None or made.process != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made.process != os.getpid():
                    made = self._made = self._connect()
        return made

    def _connect(self) -> _Made:
        import boto3

        more: dict[str, Any] = {}
        limits = self._limits
        with typed_errors("S3"):
            if self._access:
                session = boto3.Session(
                    aws_access_key_id=self._access.access_key,
                    aws_secret_access_key=self._access.secret_key,
                    region_name=self._access.region,
                )
            else:
                session = boto3.Session()
            client = self._client_of(session, limits.read, limits.attempts)
            if not is_amazon(client):
                # Path-style, because a server on an address has no name per bucket; and no checksum trailers,
                # which are newer than many S3-compatible servers.
                more = {
                    "s3": {"addressing_style": "path"},
                    "request_checksum_calculation": "when_required",
                    "response_checksum_validation": "when_required",
                }
                client = self._client_of(session, limits.read, limits.attempts, **more)
        return _Made(os.getpid(), session, client, more)

    def _client_of(self, session: Any, timeout: float, attempts: int, **more: Any) -> Any:
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
        made = self._of_process()
        client = made.client
        endpoint = client.meta.endpoint_url
        if is_amazon(client):
            options = {"aws_region": self._region_of(bucket)}
        else:
            options = {
                "aws_region": client.meta.region_name,
                "aws_endpoint": endpoint,
                "aws_virtual_hosted_style_request": "false",
            }
            if endpoint.startswith("http://"):
                options["allow_http"] = "true"
        options |= self._limits.lance
        with typed_errors("S3"):
            credentials = made.session.get_credentials()
            if credentials is None:
                raise AccessDenied(f"no S3 credentials found for {endpoint}; {HOW_TO_GIVE_KEYS}")
            if credentials.method in SELF_REFRESHED:
                return options
            frozen = credentials.get_frozen_credentials()
        options |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
        if frozen.token:
            options["aws_session_token"] = frozen.token
        return options

    def _region_of(self, bucket: str) -> str:
        """The bucket's own region, asked for once: unlike boto3, Lance follows no redirect to it."""
        if bucket not in self._regions:
            client = self.client()
            try:
                with typed_errors(f"s3://{bucket}"):
                    answer = client.head_bucket(Bucket=bucket)
                headers = answer["ResponseMetadata"]["HTTPHeaders"]
                self._regions[bucket] = headers.get("x-amz-bucket-region") or client.meta.region_name
            except (
                StorageError
            ) as error:  # without the right to ask, the configured region is all there is to go by
                log.info("%s: its region is taken from the settings", error)
                return str(client.meta.region_name)
        return self._regions[bucket]


def is_amazon(client: Any) -> bool:
    return str(client.meta.endpoint_url).endswith((".amazonaws.com", ".amazonaws.com.cn"))
