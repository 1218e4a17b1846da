"""Where a bucket is and who asks: the usual AWS variables and profiles, read once when a lake is opened."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lakehouse.errors import ArgumentError, MissingExtraError
from lakehouse.store.base import check_path

if TYPE_CHECKING:
    from botocore.session import Session
    from obstore.auth.boto3 import Boto3CredentialProvider

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_TRUE = frozenset({"1", "true", "on", "yes", "y"})

# Credentials that obstore finds by itself; they win over a profile, as everywhere.
_OWN_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@dataclass(frozen=True, slots=True)
class S3Settings:
    """One bucket, as the environment says to reach it."""

    bucket: str
    """its name"""
    prefix: str
    """the lake's folder in it, '' for the whole bucket"""
    endpoint: str | None
    """the server's URL; None is AWS itself"""
    region: str | None
    """of the profile; None leaves it to the variables"""
    credentials: Boto3CredentialProvider | None = field(repr=False)
    """of the profile; None leaves them to the variables or to the machine's role"""

    @property
    def url(self) -> str:
        """The lake's root."""
        return "/".join(filter(None, (f"s3://{self.bucket}", self.prefix)))


def read_settings(url: str) -> S3Settings:
    """Read where `s3://bucket/prefix` is from AWS_ENDPOINT_URL, AWS_REGION, AWS_PROFILE and their kin.

    Raises:
        ArgumentError: the URL is no bucket and plain prefix, the profile is unknown or has no credentials,
            or the endpoint carries a password or is not encrypted and AWS_ALLOW_HTTP is not set.
        MissingExtraError: a profile is needed and boto3, which reads it, is not installed.
    """
    bucket, prefix = _split(url)
    session = _session()
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    region = None
    if session is not None:
        endpoint = endpoint or session.get_scoped_config().get("endpoint_url")
        if not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
            region = session.get_config_variable("region")
    if endpoint:
        _check_endpoint(endpoint)
    return S3Settings(bucket, prefix, endpoint, region, _credentials(session))


def _split(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):  # the URL is not repeated: somebody may have written a key into it
        raise ArgumentError(
            "Not the URL of a bucket.",
            hint="Write s3://bucket/prefix, and leave keys to the AWS variables or a profile.",
        )
    prefix = prefix.rstrip("/")
    return bucket, check_path(prefix) if prefix else ""


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.username or parts.password:
        hint = "Give keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile."
        raise ArgumentError("The endpoint's URL carries a user or a password.", hint=hint)
    if parts.scheme == "http" and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in _TRUE:
        hint = "Set AWS_ALLOW_HTTP=true if that is what you want."
        raise ArgumentError(f"The endpoint {endpoint} is not encrypted.", hint=hint)


def _session() -> Session | None:
    """Open the profile that the variables or the AWS files ask for, if any."""
    name = os.environ.get("AWS_PROFILE")
    if any(os.environ.get(each) for each in _OWN_CREDENTIALS) or not (name or _has_aws_files()):
        return None
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError as error:
        raise MissingExtraError.of("boto3", "s3") from error
    session = botocore.session.Session(profile=name)
    try:
        session.get_scoped_config()
    except botocore.exceptions.BotoCoreError as error:
        hint = f"Known profiles: {', '.join(session.available_profiles) or 'none'}."
        raise ArgumentError(f"Can not use the AWS profile {name!r}: {error}.", hint=hint) from error
    return session


def _has_aws_files() -> bool:
    files = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
    return any(Path(os.environ.get(name) or usual).expanduser().is_file() for name, usual in files)


def _credentials(session: Session | None) -> Boto3CredentialProvider | None:
    if session is None:
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise MissingExtraError.of("boto3", "s3") from error
    try:
        return Boto3CredentialProvider(session)
    except ValueError as error:
        if not os.environ.get("AWS_PROFILE"):  # files without keys, beside a machine's own role
            return None
        raise ArgumentError(f"The AWS profile {os.environ['AWS_PROFILE']!r} has no credentials.") from error
