"""The data's remote as DVC is configured: whether it answers, told within a bound, and what is wrong in one sentence."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from knownat.errors import KnownatError

# asking once may not take longer than this, whatever the network does
BOUND_SECONDS = 15
CLIENT_SECONDS = 5
PROBE_SECONDS = 3


class Unanswered(KnownatError):
    """The remote does not do what it is asked; `code` is S3's word for it, empty where it said nothing."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Bucket:
    """A bucket and how to reach it; what is None comes from the environment, as for any client of S3."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    region: str | None = None
    verify: bool | str | None = None

    @property
    def shown(self) -> str:
        return f"s3://{self.name}" + (f" at {self.endpoint}" if self.endpoint else "")

    def client(self) -> Any:
        """A client of botocore that tries once and gives up soon."""
        from botocore.config import Config
        from botocore.session import Session

        session = Session(profile=self.profile)
        if self.access_key_id and self.secret_access_key:
            session.set_credentials(self.access_key_id, self.secret_access_key, self.session_token)
        once = Config(
            connect_timeout=CLIENT_SECONDS,
            read_timeout=CLIENT_SECONDS,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"} if self.endpoint else None,
        )
        region = self.region or session.get_config_variable("region") or "us-east-1"
        return session.create_client("s3", region_name=region, endpoint_url=self.endpoint, verify=self.verify, config=once)


def configured() -> tuple[str, str, dict[str, Any]]:
    """The name, the URL and the settings of DVC's default remote."""
    from dvc.config import Config, ConfigError

    try:
        config = Config(".dvc")
        name = config["core"].get("remote")
    except ConfigError as error:
        raise KnownatError(f"DVC's settings cannot be read: {error}; mend .dvc/config or .dvc/config.local.") from error
    if not name or name not in config["remote"]:
        raise KnownatError("No remote is set; run `dvc remote add --default storage s3://bucket/folder`.")
    settings = dict(config["remote"][name])
    return name, str(settings["url"]), settings


def bucket() -> Bucket | None:
    """The bucket of the default remote; None where the remote is no S3."""
    _, url, settings = configured()
    if urlsplit(url).scheme != "s3":
        return None
    return Bucket(
        name=urlsplit(url).netloc,
        prefix=urlsplit(url).path.strip("/"),
        endpoint=settings.get("endpointurl"),
        access_key_id=settings.get("access_key_id"),
        secret_access_key=settings.get("secret_access_key"),
        session_token=settings.get("session_token"),
        profile=settings.get("profile"),
        region=settings.get("region"),
        verify=settings.get("ssl_verify"),
    )


def expect_answer() -> None:
    """Refuse a remote that would not take or give data; within 15 s, in one sentence."""
    found = bucket()
    if found is not None and (wrong := problem(found)) is not None:
        raise wrong


def problem(asked: Bucket) -> Unanswered | None:
    """What is wrong with a bucket, asked as a client would; never later than BOUND_SECONDS."""
    found: list[Unanswered | None] = []
    asking = threading.Thread(target=lambda: found.append(_asked(asked)), daemon=True)
    asking.start()
    asking.join(BOUND_SECONDS)
    if found:
        return found[0]
    return Unanswered(f"{asked.shown} has not answered for {BOUND_SECONDS} s; see that the server is up and can be reached.")


def _asked(asked: Bucket) -> Unanswered | None:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

    try:
        asked.client().list_objects_v2(Bucket=asked.name, Prefix=asked.prefix, MaxKeys=1)
    except (NoCredentialsError, PartialCredentialsError):
        return Unanswered(
            f"There are no credentials for {asked.shown}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
            " or `dvc remote modify --local`.",
            "NoCredentials",
        )
    except ProfileNotFound as error:
        return Unanswered(f"{asked.shown}: {error}; name a profile of ~/.aws/config, or none.", "NoCredentials")
    except ClientError as error:
        return _refused(asked, error.response)
    except (BotoCoreError, ValueError, OSError) as error:
        reason = re.sub(r'( URL)?: *"?\w+://\S+', "", str(error).partition("\n")[0]).rstrip(".")
        return Unanswered(
            f"{asked.shown} does not answer ({reason}); see that the server is up and that the endpoint"
            " (AWS_ENDPOINT_URL, or endpointurl in .dvc/config.local) is right."
        )
    return None


def _refused(asked: Bucket, response: dict[str, Any]) -> Unanswered:
    code = str(response["Error"].get("Code", ""))
    status = response["ResponseMetadata"].get("HTTPStatusCode")
    if code == "NoSuchBucket":
        return Unanswered(f"{asked.shown} does not exist; create the bucket, or name another with `dvc remote modify`.", code)
    if status in {401, 403}:
        return Unanswered(
            f"{asked.shown} refuses the credentials ({code}); see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
            " or `dvc remote modify --local`.",
            code,
        )
    return Unanswered(
        f"{asked.shown} answers {code or status} ({response['Error'].get('Message', '')}); ask whoever runs it.", code
    )


def transfer(direction: Literal["push", "pull"], seconds: float) -> None:
    """Push or pull in a process of its own, which is ended when it has used up its time or the remote is silent for 15 s.

    Raises KnownatError with what to do; where the process itself fails, its own words stand above.
    """
    asked = bucket()
    expect_answer()
    process = subprocess.Popen([sys.executable, "-m", "knownat.transfer", direction])
    try:
        _watch(process, asked, direction, seconds)
    finally:
        _end(process)
    if process.returncode:
        raise SystemExit(1)


def _watch(process: subprocess.Popen[bytes], asked: Bucket | None, direction: str, seconds: float) -> None:
    began, answered = time.monotonic(), time.monotonic()
    while process.poll() is None:
        wrong = problem(asked) if asked else None
        now = time.monotonic()
        answered = answered if wrong else now
        if now - answered >= BOUND_SECONDS:
            raise KnownatError(f"Stopped: {wrong} What has arrived stays; then run `knownat {direction}` again.")
        if now - began >= seconds:
            raise KnownatError(
                f"Stopped after {seconds:g} s; what has arrived stays. Run `knownat {direction}` again, or with a longer --timeout."
            )
        try:
            process.wait(min(PROBE_SECONDS, seconds - (now - began)))
        except subprocess.TimeoutExpired:
            continue


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(CLIENT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
