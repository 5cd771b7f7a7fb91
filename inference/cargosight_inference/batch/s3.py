"""A prefix of an S3 bucket as a place, and objects of S3 as inputs. Settings are those of every AWS tool.

Credentials, region, endpoint (`AWS_ENDPOINT_URL`) and addressing come from the environment and the files in `~/.aws`.
"""

import errno
import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cargosight_inference.batch.places import BatchError, NoSuchName, Place, check_name
from cargosight_inference.batch.scratch import system_scratch
from cargosight_models.errors import MissingExtraError, ScanError, UsageError

_WRITER = "cargosight-writer"
"""Of an object's metadata: tells a writer whose first attempt got through, though its answer was lost, that it won."""
_TRIES = 5
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}|arn:[^\s/]+")
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled"})
_OF_EVERY_OBJECT = frozenset(
    {
        "AccountProblem",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "NotSignedUp",
        "OperationAborted",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TokenRefreshRequired",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)
"""Answers below 500 that say nothing of the object asked for: who asks, when, or how often is wrong."""
_OF_EVERY_OBJECT_BY_STATUS = frozenset({401, 407, 408, 429})


@dataclass(frozen=True)
class S3Object:
    """One object of a listing.

    Attributes:
        key: of the object in its bucket.
        size: in bytes.
        version: its entity tag.
    """

    key: str
    size: int
    version: str


class S3Place(Place):
    """A prefix of a bucket; `If-None-Match: *` lets the first writer win."""

    def __init__(self, url: str) -> None:
        """Name the prefix, in which nothing needs to be.

        Raises:
            UsageError: the URL has no bucket.
            MissingExtraError: the extra `s3` is not installed.
        """
        self.bucket, prefix = split_url(url)
        self.prefix = prefix.strip("/")
        self.url = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self.scratch = system_scratch()
        self._client = client()

    def read(self, name: str) -> bytes:
        """See `Place.read`."""
        with _told(f"read {name} of {self.url}"):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=self._key(name))
                return bytes(answer["Body"].read())
            except _client_error() as error:
                if _code(error) in _ABSENT:
                    raise NoSuchName(f"there is no {name} in {self.url}") from None
                raise

    def exists(self, name: str) -> bool:
        """See `Place.exists`."""
        return self._head(name) is not None

    def names(self, prefix: str = "") -> Iterator[str]:
        """See `Place.names`."""
        root = f"{self.prefix}/" if self.prefix else ""
        for found in list_objects(self.bucket, root + prefix):
            yield found.key.removeprefix(root)

    def top(self) -> Iterator[str]:
        """See `Place.top`."""
        root = f"{self.prefix}/" if self.prefix else ""
        pages = self._client.get_paginator("list_objects_v2")
        found = iter(pages.paginate(Bucket=self.bucket, Prefix=root, Delimiter="/"))
        while True:
            with _told(f"list {self.url}"):
                page = next(found, None)
            if page is None:
                return
            keys = [one["Prefix"] for one in page.get("CommonPrefixes", ())]
            keys += [one["Key"] for one in page.get("Contents", ())]
            # Consoles of S3 mark a folder by an object that is called as the prefix itself.
            yield from (
                key.removeprefix(root)
                for key in keys
                if not key.removeprefix(root).startswith(".") and key != root
            )

    def publish(self, name: str, source: Path | bytes) -> bool:
        """See `Place.publish`."""
        writer = uuid4().hex
        for attempt in range(_TRIES):
            try:
                with _told(f"write {name} into {self.url}"):
                    self._put(name, source, IfNoneMatch="*", Metadata={_WRITER: writer})
                    return True
            except BatchError as error:
                code = _code(error.__cause__)
                if code in {"PreconditionFailed", "412"}:
                    found = self._head(name)
                    return found is not None and found.get("Metadata", {}).get(_WRITER) == writer
                # Another writer of the same name was under way, and may still fail: S3 wants the whole put again.
                if code not in {"ConditionalRequestConflict", "409"} or attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def replace(self, name: str, content: bytes) -> None:
        """See `Place.replace`."""
        with _told(f"write {name} into {self.url}"):
            self._put(name, content)

    def delete(self, name: str) -> None:
        """See `Place.delete`."""
        with _told(f"remove {name} of {self.url}"):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def _put(self, name: str, source: Path | bytes, **condition: str | dict[str, str]) -> None:
        key = self._key(name)
        if isinstance(source, Path):
            with source.open("rb") as body:
                self._client.put_object(Bucket=self.bucket, Key=key, Body=body, **condition)
        else:
            self._client.put_object(Bucket=self.bucket, Key=key, Body=source, **condition)

    def _head(self, name: str) -> dict[str, Any] | None:
        with _told(f"look for {name} in {self.url}"):
            try:
                return dict(self._client.head_object(Bucket=self.bucket, Key=self._key(name)))
            except _client_error() as error:
                if _code(error) in _ABSENT:
                    return None
                raise

    def _key(self, name: str) -> str:
        check_name(name)
        return f"{self.prefix}/{name}" if self.prefix else name


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of `s3://bucket/key`; a key may hold any character.

    Raises:
        UsageError: there is no bucket in it, or none can have its name.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket:
        raise UsageError(f"{url} names no bucket; expected s3://bucket/prefix")
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(
            f"{url} names the bucket {bucket!r}; expected a name of letters, digits, dots and hyphens"
        )
    return bucket, key


def list_objects(bucket: str, prefix: str) -> Iterator[S3Object]:
    """Yield the objects whose keys begin with a prefix, in the order of their keys, page by page.

    Raises:
        BatchError: they cannot be listed.
    """
    pages = iter(client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    while True:
        with _told(f"list s3://{bucket}/{prefix}"):
            page = next(pages, None)
        if page is None:
            return
        for found in page.get("Contents", ()):
            yield S3Object(found["Key"], int(found["Size"]), _tag(found))


def find_object(bucket: str, key: str) -> S3Object | None:
    """Return the object of a key, None where there is none.

    Raises:
        BatchError: the bucket does not answer, or does not let itself be read.
    """
    with _told(f"look for s3://{bucket}/{key}"):
        try:
            found = client().head_object(Bucket=bucket, Key=key)
        except _client_error() as error:
            if _code(error) in _ABSENT:
                return None
            raise
    return S3Object(key, int(found["ContentLength"]), _tag(found))


class S3Body:
    """The bytes of an object as they come."""

    def __init__(self, bucket: str, key: str) -> None:
        """Ask for an object.

        Raises:
            FileNotFoundError: there is none.
            PermissionError: it may not be read.
            ScanError: it cannot be read, whoever asks and however often.
            UsageError: there is no key.
            BatchError: S3 does not answer now, or not to these credentials.
        """
        self.url = f"s3://{bucket}/{key}"
        if not key:
            raise UsageError(f"{self.url} names no object; expected s3://bucket/key")
        try:
            with _told(f"read {self.url}"):
                answer = client().get_object(Bucket=bucket, Key=key)
        except BatchError as error:
            own = _of_object(self.url, error.__cause__)
            if own is None:
                raise
            raise own from error
        self.size: int | None = int(answer["ContentLength"])
        self.version: str | None = _tag(answer)
        self._body = answer["Body"]

    def read(self, count: int = -1) -> bytes:
        """Return up to so many bytes, all for -1; empty at the end.

        Raises:
            BatchError: the connection broke.
        """
        with _told(f"read {self.url}"):
            return bytes(self._body.read(None if count < 0 else count))

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()


def client() -> Any:  # noqa: ANN401 - boto3 has no types
    """Return this process's S3 client; a forked child gets one of its own, since connections cannot be shared.

    Raises:
        MissingExtraError: the extra `s3` is not installed.
    """
    return _client_of(os.getpid())


def forget_client() -> None:
    """Make the next use read the environment and the files of settings again."""
    _client_of.cache_clear()


@functools.lru_cache(maxsize=1)
def _client_of(process: int) -> Any:  # noqa: ANN401
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise MissingExtraError("s3", "a bucket of S3") from None
    config = Config(
        retries={"mode": "standard", "max_attempts": 6},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    try:
        with _told("set up S3"):
            return boto3.session.Session().client("s3", config=config)
    except ValueError as error:  # no UsageError: of an input that would be its result
        raise BatchError(
            f"S3 cannot be set up: {error}; expected http://… or https://… in AWS_ENDPOINT_URL or `endpoint_url` of "
            "~/.aws/config"
        ) from error


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Tell failures of the library in a sentence, with the failure as its cause."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        reason = error.response.get("Error", {}).get("Message") or _code(error)
        raise BatchError(f"S3 does not let the run {doing}: {_code(error)}, {_one_line(reason)}") from error
    except (BotoCoreError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise BatchError(f"the run could not {doing}: {_one_line(error)}") from error


def _of_object(url: str, error: BaseException | None) -> OSError | ScanError | None:
    """Return what a failed read says of the object alone; None where that may befall any other as well."""
    from botocore.exceptions import ClientError, ParamValidationError

    if isinstance(error, ParamValidationError):
        return ScanError(f"{url} cannot be asked for: {_one_line(error)}")
    if not isinstance(error, ClientError):
        return None
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if not 300 <= status < 500 or status in _OF_EVERY_OBJECT_BY_STATUS or code in _OF_EVERY_OBJECT:
        return None
    if code in _ABSENT:
        return FileNotFoundError(url)
    told = ", ".join(filter(None, (code, _one_line(error.response.get("Error", {}).get("Message", "")))))
    if code in _DENIED:
        return PermissionError(errno.EACCES, told)
    restore = "; restore it from its archive class first" if code == "InvalidObjectState" else ""
    return ScanError(f"{url} cannot be read: {told}{restore}")


def _one_line(told: object) -> str:
    return " ".join(str(told).split())


def _client_error() -> type[Exception]:
    from botocore.exceptions import ClientError

    return ClientError  # type: ignore[no-any-return, unused-ignore]


def _code(error: BaseException | None) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _tag(answer: dict[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')
