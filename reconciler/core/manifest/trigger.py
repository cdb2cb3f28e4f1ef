"""What fires an autopilot: a schedule, a webhook or a call of the API."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.calendar.timetable import (
    AtSchedule,
    CronSchedule,
    EverySchedule,
    Schedule,
    parse_at,
)
from reconciler.core.manifest.fields import (
    Duration,
    DurationOrOff,
    Instant,
    Model,
    Name,
    SecretRef,
    Size,
    one_text_of,
)
from reconciler.core.webhooks.schemes import SCHEMES, SignatureOptions

MIB = 1024**2


class TriggerKind(StrEnum):
    """The three ways in."""

    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    API = "api"


class CatchUp(StrEnum):
    """What becomes of occurrences that are late (docs/time.md)."""

    LATEST = "latest"
    NONE = "none"
    ALL = "all"


class Scheme(StrEnum):
    """How a sender's requests are verified (docs/webhooks.md)."""

    NONE = "none"
    GITHUB = "github"
    GITLAB = "gitlab"
    STANDARD = "standard"
    STRIPE = "stripe"
    SLACK = "slack"
    LINEAR = "linear"
    SENTRY = "sentry"
    PAGERDUTY = "pagerduty"
    SHOPIFY = "shopify"
    HMAC_SHA256 = "hmac_sha256"
    BEARER = "bearer"
    BASIC = "basic"
    MICROSOFT_GRAPH = "microsoft_graph"


class _TriggerBase(Model):
    name: Name
    """Unique in the autopilot. The trigger's id, and so a webhook's URL, derives from it."""
    enabled: bool = True
    """A disabled trigger does not fire; the autopilot's other triggers are not concerned."""
    label: str | None = Field(default=None, max_length=100)
    """What people see beside the name."""


class ScheduleTrigger(_TriggerBase):
    """Fires at moments: exactly one of `cron`, `every` and `at`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": one_text_of("cron", "every", "at")})

    kind: Literal["schedule"]
    """This trigger fires by the clock."""
    cron: str | None = Field(default=None, examples=["0 9 * * MON-FRI", "@daily"])
    """Five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""
    every: Duration | None = None
    """A period, counted in UTC from `startAt` or from 1970-01-01T00:00Z."""
    at: str | None = Field(default=None, examples=["2026-12-01T09:00"])
    """Once. Without an offset the time is local to `timezone`."""
    timezone: str = Field(default="UTC", examples=["Europe/Rome"])
    """An IANA time zone."""
    jitter: DurationOrOff = timedelta(0)
    """Occurrences are spread over this time, each by a hash of its own."""
    catch_up: CatchUp = Field(default=CatchUp.LATEST, strict=False)
    """What becomes of late occurrences: `latest` starts the newest, `all` each, `none` none."""
    catch_up_window: Duration = timedelta(hours=1)
    """How late an occurrence may still start."""
    start_at: Instant | None = None
    """Nothing fires before this moment."""
    end_at: Instant | None = None
    """Nothing fires after this moment."""
    when: str | None = Field(
        default=None,
        min_length=1,
        examples=['lastRun == null || lastRun.status == "failed"'],
    )
    """CEL over `lastRun`, `now`, `trigger`, `autopilot`; false skips the run: nothing to do."""

    @model_validator(mode="after")
    def _one_schedule(self) -> "ScheduleTrigger":
        kinds = [n for n in ("cron", "every", "at") if getattr(self, n) is not None]
        if len(kinds) != 1:
            what = " and ".join(f"'{n}'" for n in kinds) or "none of them"
            raise PydanticCustomError(
                "schedule-one-of",
                "a schedule has exactly one of 'cron', 'every' and 'at', found {found}",
                {"found": what},
            )
        if self.start_at and self.end_at and self.start_at >= self.end_at:
            raise PydanticCustomError("schedule-range", "'startAt' must be before 'endAt'")
        return self


class Signature(Model):
    """How deliveries are verified."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"scheme": {"const": "none"}}},
            "then": {"properties": {"secrets": {"maxItems": 0}}},
            "else": {"required": ["secrets"], "properties": {"secrets": {"minItems": 1}}},
        }
    )

    scheme: Scheme = Field(strict=False)
    """The sender's way of signing; `none` accepts anybody who knows the URL."""
    secrets: tuple[SecretRef, ...] = Field(default=(), max_length=10, strict=False)
    """Where the secrets are; several at once allow rotation without downtime."""
    header: str | None = Field(default=None, max_length=100, pattern=r"^[A-Za-z0-9-]+$")
    """`hmac_sha256`, `bearer`: the header that holds the signature or the token."""
    encoding: Literal["hex", "base64"] | None = None
    """`hmac_sha256` only: how the signature is written; hex by default."""
    prefix: str | None = Field(default=None, max_length=50)
    """`hmac_sha256`, `bearer`: what stands before the signature or the token."""
    time_header: str | None = Field(default=None, max_length=100, pattern=r"^[A-Za-z0-9-]+$")
    """`hmac_sha256` only: the header that holds the signed time, in seconds or milliseconds."""
    signed: str | None = Field(
        default=None,
        max_length=100,
        pattern=r"^[!-~]*\{time\}[!-~]*\{body\}$",
        examples=["v0:{time}:{body}"],
    )
    """`hmac_sha256` with `timeHeader`: what is signed; `{time}.{body}` by default."""
    tolerance: Duration | None = None
    """How far a signed time may be from now; 5m by default (60s for Linear)."""

    @model_validator(mode="after")
    def _secrets_for_scheme(self) -> "Signature":
        if self.scheme is not Scheme.NONE and not self.secrets:
            raise PydanticCustomError(
                "signature-secret",
                "scheme '{scheme}' needs at least one secret, for example "
                "secrets: [{{env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>}}]",
                {"scheme": self.scheme.value},
            )
        if self.scheme is Scheme.NONE and self.secrets:
            raise PydanticCustomError(
                "signature-secret", "scheme 'none' verifies nothing; remove 'secrets'"
            )
        for option, why in option_objections(self.scheme, self.options()):
            raise PydanticCustomError("signature-option", "{why}", {"why": why, "option": option})
        return self

    def options(self) -> SignatureOptions:
        """What `verify` is given beside scheme and secrets."""
        return SignatureOptions(
            header=self.header,
            encoding=self.encoding,
            prefix=self.prefix,
            time_header=self.time_header,
            signed=self.signed,
            tolerance=self.tolerance,
        )


_IN_YAML = {"time_header": "timeHeader"}


def option_objections(scheme: str, options: SignatureOptions) -> Iterator[tuple[str, str]]:
    """What is set that `scheme` does not take, as (the option in YAML, why)."""
    for name in ("header", "encoding", "prefix", "time_header", "signed"):
        shown = _IN_YAML.get(name, name)
        if options.get(name) is None or name in SCHEMES[scheme].options:
            continue
        takers = " and ".join(f"'{other}'" for other, row in SCHEMES.items() if name in row.options)
        yield shown, f"'{shown}' is for scheme {takers}; scheme '{scheme}' fixes it"
    if options.get("signed") is not None and options.get("time_header") is None:
        yield "signed", "'signed' needs 'timeHeader': the header that holds the time"


class WebhookTrigger(_TriggerBase):
    """Fires when a verified request arrives at the trigger's own URL."""

    kind: Literal["webhook"]
    """This trigger fires by an HTTP request."""
    signature: Signature
    """Required: `scheme: none` has to be written out."""
    when: str | None = Field(
        default=None, examples=['headers["x-github-event"] == "push"'], min_length=1
    )
    """CEL over `payload`, `headers`, `trigger`, `autopilot`; false ignores the delivery."""
    max_body: Size = Field(default=MIB, ge=1, le=25 * MIB)
    """The largest body that is read, up to 25MiB."""
    replay_window: DurationOrOff = timedelta(minutes=10)
    """For schemes that sign no time: the same body again within this time is a duplicate."""
    token_generation: int = Field(default=1, ge=1, le=1_000_000)
    """A higher number is a new URL; the old one works for `tokenGrace` more."""
    token_grace: DurationOrOff = timedelta(hours=24)
    """How long the URL of the generation before still works."""


class ApiTrigger(_TriggerBase):
    """Fires when `POST /v1/autopilots/{id}/run` names it."""

    kind: Literal["api"]
    """This trigger fires by a call."""
    when: str | None = Field(default=None, min_length=1, examples=['payload.severity == "high"'])
    """CEL over `payload`, `lastRun`, `now`, `trigger`, `autopilot`; false skips the run."""


Trigger = Annotated[
    ScheduleTrigger | WebhookTrigger | ApiTrigger,
    Field(discriminator="kind"),
]


def schedule_of(trigger: ScheduleTrigger) -> Schedule:
    """The schedule of a trigger; `startAt` and `endAt` bound it apart (see `schedule_next`).

    Raises AtError. A cron expression and a zone are checked when they are first used.
    """
    if trigger.cron is not None:
        return CronSchedule(trigger.cron, trigger.timezone)
    if trigger.every is not None:
        return EverySchedule(trigger.every, trigger.start_at)
    return AtSchedule(parse_at(trigger.at or ""), trigger.timezone)
