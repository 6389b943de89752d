"""Every setting of a daemon: one frozen object, made once at the start.

Precedence: command line, then environment (`WEFT_…`), then `weft.toml`, then the default here. A name nobody knows is an
error that says where it stands. Names carry their unit (`_s`, `_bytes`). Secrets are paths to files of mode 0600; what a
member is called and where it lies on the map stands in its entry of the member list, not here.

`test_…` settings change what a connector may rely on (its clock, its pace, its disk). They are refused unless
`production = false`.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic_settings
from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from connector.clock import Clock
from connector.errors import SettingsError

FILE_NAME = "weft.toml"
ENVIRONMENT_PREFIX = "WEFT_"
# Not settings of a daemon: the folder for the command line, and the management key of a client.
OTHER_VARIABLES = frozenset({"WEFT_DIR", "WEFT_KEY"})
# weft.toml holds a few dozen lines; more than this is another file.
FILE_LIMIT_BYTES = 64 * 1024

KIB, MIB, GIB = 1024, 1024**2, 1024**3

_WEB = ("https://", "http://")
_SPACE_KEY = re.compile(r"ed25519:[A-Za-z0-9_-]{43}")


def _beside(value: Path, info: ValidationInfo) -> Path:
    directory: Path = info.data.get("directory", Path())
    return (directory / value).absolute()


def _beside_or_url(value: str, info: ValidationInfo) -> str:
    return value if value.startswith(_WEB) else str(_beside(Path(value), info))


def _base_address(value: str) -> str:
    if not value.startswith(_WEB):
        raise ValueError("is neither an https nor an http address")
    return value.removesuffix("/")


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        ipaddress.ip_network(value)
    return values


def _space_key(value: str) -> str:
    if not _SPACE_KEY.fullmatch(value):
        raise ValueError("is no public key of the form ed25519:<base64url>")
    return value


Place = Annotated[Path, AfterValidator(_beside)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]


@dataclass(frozen=True, slots=True)
class SettingSource:
    """One setting as `weft config` shows it; `source` is default, file, environment or command line."""

    name: str
    value: str
    source: str
    description: str


class Settings(BaseSettings):
    """Made with `Settings.load`, or with `Settings.of` where the values are at hand."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,
    )

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)

    directory: Path = Field(default=Path(), description="folder of weft.toml; relative paths start here")

    # Who we are, in which space.
    participant: str = Field(min_length=1, max_length=255, description="our participant identifier, a DID")
    space_key: Annotated[str, AfterValidator(_space_key)] = Field(
        description="public key of the space authority, ed25519:<base64url>"
    )
    members: Annotated[str, AfterValidator(_beside_or_url)] = Field(
        min_length=1, description="the signed member list: a file or an address"
    )
    members_interval_s: Seconds = Field(default=300, description="how often a member list at an address is asked for")
    dsp: Annotated[str, AfterValidator(_base_address)] = Field(
        description="public base address of our protocol side, as in the member list"
    )

    # Listeners.
    protocol_host: str = Field(default="127.0.0.1", description="where the protocol side listens")
    protocol_port: Port = Field(default=8282, description="port of the protocol side; 0 takes a free one")
    management_host: str = Field(default="127.0.0.1", description="where the management side listens")
    management_port: Port = Field(default=8283, description="port of the management side; 0 takes a free one")
    tls_cert: Place | None = Field(default=None, description="certificate chain of the protocol side, PEM")
    tls_key: Place | None = Field(default=None, description="its private key, PEM, mode 0600")
    management_tls_cert: Place | None = Field(default=None, description="certificate chain of the management side, PEM")
    management_tls_key: Place | None = Field(default=None, description="its private key, PEM, mode 0600")
    behind_tls_proxy: bool = Field(default=False, description="a proxy in front of us speaks TLS: listen without")
    tls_ca: Place | None = Field(default=None, description="further authorities trusted when we call others, PEM")

    # What is kept.
    data_dir: Place = Field(default=Path("data"), description="database, spool and received files")
    keys_dir: Place = Field(default=Path("keys"), description="our private keys, each of mode 0600")
    management_key: Place = Field(default=Path("management.key"), description="file with the first management key")
    database_max_pages: int | None = Field(default=None, ge=64, description="largest size of the database, in pages")
    spool_max_bytes: int = Field(default=10 * GIB, ge=MIB, description="room for transformed deliveries")

    # Tokens.
    token_lifetime_s: int = Field(default=300, ge=1, le=600, description="lifetime of the tokens we make")
    data_token_lifetime_s: int = Field(default=600, ge=1, le=600, description="lifetime of the tokens for data")
    clock_leeway_s: float = Field(default=5, ge=0, le=59, description="difference of clocks that is forgiven")

    # Messages.
    message_limit_bytes: int = Field(default=MIB, ge=4 * KIB, le=64 * MIB, description="largest message read")
    message_depth: int = Field(default=64, ge=8, le=64, description="deepest nesting of a message")
    send_timeout_s: Seconds = Field(default=20, description="how long one attempt to send may take")
    retry_first_s: Seconds = Field(default=1, description="pause after the first failed attempt; doubles each time")
    retry_limit_s: Seconds = Field(default=300, description="longest pause between two attempts")
    give_up_s: Seconds = Field(default=86400, description="when an unanswered message is given up")
    concurrency_per_destination: int = Field(default=32, ge=1, le=64, description="attempts in flight to one member")
    outgoing_networks: Annotated[tuple[str, ...], AfterValidator(_networks)] = Field(
        default=(),
        description="networks that names in the member list may lead to beside public ones, such as 10.0.0.0/8",
    )
    push_destinations: tuple[str, ...] = Field(
        default=(), description="where data may be pushed beside listed addresses: origins, or networks of addresses"
    )
    catalog_page_size: int = Field(default=50, ge=1, le=1000, description="datasets on a page of our catalog")
    crawl_timeout_s: Seconds = Field(default=60, description="how long reading one catalog may take")
    crawl_interval_s: Seconds = Field(default=900, description="how often the catalogs of the members are read")

    peers: Mapping[str, Literal["plain", "edc"]] = Field(
        default_factory=dict, description="which connector a member runs, where it does not show that itself"
    )

    # What one side may have of us at a time.
    message_timeout_s: Seconds = Field(default=30, description="how long the body of a message may take to arrive")
    idle_timeout_s: Seconds = Field(default=60, description="how long a connection may rest, or take over its headers")
    connections: int = Field(default=4096, ge=16, description="connections held; half the open files if that is less")
    connections_per_address: int = Field(default=512, ge=8, description="connections held from one address")
    address_requests: int = Field(
        default=512, ge=8, description="requests under way from one address whose senders are not known yet"
    )
    address_failures_per_min: int = Field(
        default=3000, ge=1, description="failed proofs of identity from one address before it has to wait"
    )
    peer_requests: int = Field(default=128, ge=1, description="requests of one member under way at a time")
    peer_requests_per_s: float = Field(default=2000, gt=0, description="requests of one member, in the long run")
    peer_burst: int = Field(default=4000, ge=1, description="requests of one member at once, after a pause")

    # Data.
    push: bool = Field(default=True, description="whether our data is also sent to an address that the consumer names")
    push_limit_bytes: int = Field(default=64 * GIB, ge=1, description="largest delivery that is pushed to us")
    chunk_bytes: int = Field(default=MIB, ge=4 * KIB, le=16 * MIB, description="size of a hashed chunk")
    credit_window_bytes: int = Field(default=64 * MIB, ge=MIB, description="bytes sent ahead of a receipt")
    receipt_interval_bytes: int = Field(default=16 * MIB, ge=64 * KIB, description="bytes between two receipts of ours")
    receipt_interval_s: Seconds = Field(default=5, description="time between two receipts of ours")
    data_timeout_s: Seconds = Field(default=30, description="silence after which a delivery is taken up anew")
    downloads: int = Field(default=4, ge=1, le=64, description="deliveries of one member at the same time")

    # People.
    language: Literal["en", "zh"] = Field(default="en", description="language of the sentences")
    log_format: Literal["auto", "json", "pretty"] = Field(default="auto", description="auto: pretty on a terminal")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")

    # Test-only.
    production: bool = Field(default=True, description="false admits the test_… settings")
    test_clock_offset_s: float = Field(default=0, description="test-only: moves our clock")
    test_clock_start: AwareDatetime | None = Field(
        default=None, description="test-only: what our clock shows at the start"
    )
    test_pseudonym_keys: Mapping[str, SecretStr] = Field(
        default_factory=dict, description="test-only: pseudonym key by offer or dataset identifier"
    )
    test_rate_limit_bytes_s: int | None = Field(default=None, ge=1, description="test-only: pace of deliveries")
    test_synchronous: Literal["FULL", "NORMAL", "OFF"] = Field(
        default="FULL", description="test-only: durability of a commit"
    )
    test_mock_identity: bool = Field(
        default=False, description="test-only, insecure: whoever says a member's name is believed; loopback only"
    )
    test_mock_speaker: str = Field(
        default="", description="test-only, insecure: the member for whom every header speaks, with test_mock_identity"
    )

    @classmethod
    def load(cls, directory: Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """The settings of `directory/weft.toml`, the environment, and `overrides` from the command line.

        Raises SettingsError: setting-unknown, setting-missing, setting-invalid, settings-file, and those of the rules.
        """
        file = directory / FILE_NAME
        given = {name: value for name, value in (overrides or {}).items() if value is not None}
        layers: tuple[tuple[str, Mapping[str, Any]], ...] = (
            ("file", _from_file(file, cls)),
            ("environment", _from_environment(cls)),
            ("command line", _known(given, cls, "command line")),
        )
        values = {name: value for _, layer in layers for name, value in layer.items()}
        sources = {name: source for source, layer in layers for name in layer}
        return cls.of(directory, values, sources)

    @classmethod
    def of(cls, directory: Path, values: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> Self:
        """Exactly these settings; raises SettingsError like `load`. `sources` says where each value comes from."""
        sources = dict.fromkeys(values, "command line") if sources is None else sources
        try:
            settings = cls(**{**values, "directory": directory})
        except ValidationError as error:
            raise _first_problem(error, sources, directory / FILE_NAME) from error
        settings._sources = {**sources, "directory": "command line"}
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only: `load` reads file and environment itself, because it tells apart where a value comes from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _hold_the_rules(self) -> Self:
        for side, host in (("protocol", self.protocol_host), ("management", self.management_host)):
            prefix = "" if side == "protocol" else "management_"
            cert, key = getattr(self, f"{prefix}tls_cert"), getattr(self, f"{prefix}tls_key")
            if (cert is None) != (key is None):
                raise SettingsError(
                    "tls-half",
                    present=f"{prefix}tls_{'key' if cert is None else 'cert'}",
                    missing=f"{prefix}tls_{'cert' if cert is None else 'key'}",
                )
            if cert is None and not self.behind_tls_proxy and not is_loopback(host):
                raise SettingsError("bind-without-tls", name=f"{side}_host", host=host, prefix=prefix)
        if self.production:
            for name, field in type(self).model_fields.items():
                if name.startswith("test_") and getattr(self, name) != field.get_default(call_default_factory=True):
                    raise SettingsError("test-setting-in-production", name=name)
        if self.test_mock_identity:
            for side, host in (("protocol", self.protocol_host), ("management", self.management_host)):
                if not is_loopback(host):
                    raise SettingsError("mock-identity-reachable", name=f"{side}_host", host=host)
        if self.test_clock_start and self.test_clock_offset_s:
            raise SettingsError(
                "setting-invalid",
                name="test_clock_start",
                source="two settings",
                problem="stands beside test_clock_offset_s; one of the two moves the clock",
            )
        return self

    def clock(self) -> Clock:
        """The one clock of the daemon, which starts now."""
        if self.test_clock_start:
            return Clock.starting_at(self.test_clock_start)
        return Clock(timedelta(seconds=self.test_clock_offset_s))

    def sources(self) -> tuple[SettingSource, ...]:
        """Every setting with its value (secrets masked), where the value comes from, and what it is for."""
        return tuple(
            SettingSource(
                name, _shown(getattr(self, name)), self._sources.get(name, "default"), field.description or ""
            )
            for name, field in type(self).model_fields.items()
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener bound to this host; an unknown name counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _from_file(file: Path, cls: type[Settings]) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_LIMIT_BYTES + 1)
    except FileNotFoundError:  # a container may be configured by its environment alone
        return {}
    except OSError as error:
        raise SettingsError("settings-file", path=str(file), problem=error.strerror or str(error)) from error
    if len(data) > FILE_LIMIT_BYTES:
        raise SettingsError("settings-file", path=str(file), problem=f"longer than {FILE_LIMIT_BYTES} bytes")
    try:
        values = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("settings-file", path=str(file), problem=str(error)) from error
    return _known(values, cls, str(file))


def _from_environment(cls: type[Settings]) -> dict[str, Any]:
    for variable in os.environ:
        if variable.upper().startswith(ENVIRONMENT_PREFIX) and variable not in OTHER_VARIABLES:
            _known({variable[len(ENVIRONMENT_PREFIX) :].lower(): None}, cls, f"environment variable {variable}")
    try:
        return EnvSettingsSource(cls)()
    except pydantic_settings.SettingsError as error:
        raise SettingsError(
            "setting-invalid",
            name=_named_field(str(error)),
            source="environment",
            problem="not the JSON text it should be",
        ) from error


def _named_field(text: str) -> str:
    """The field name in pydantic's sentence `error parsing value for field "x" from source …`."""
    parts = text.split('"')
    return parts[1] if len(parts) > 1 else text


def _known(values: Mapping[str, Any], cls: type[Settings], source: str) -> dict[str, Any]:
    # The folder is where the file lies and is no choice of file, variable or option.
    names = cls.model_fields.keys() - {"directory"}
    for name, value in values.items():
        if name in names:
            continue
        inner = f".{next(iter(value))}" if isinstance(value, dict) and value else ""
        near = difflib.get_close_matches(name, names, n=1)
        raise SettingsError("setting-unknown", name=name + inner, source=source, near=near[0] if near else "-")
    return dict(values)


def _first_problem(error: ValidationError, sources: Mapping[str, str], file: Path) -> SettingsError:
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in found["loc"])
    if found["type"] == "missing":
        return SettingsError("setting-missing", name=name, path=str(file), variable=ENVIRONMENT_PREFIX + name.upper())
    source = sources.get(str(found["loc"][0]) if found["loc"] else "", "default")
    where = str(file) if source == "file" else source
    return SettingsError("setting-invalid", name=name, source=where, problem=found["msg"].removeprefix("Value error, "))


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_shown(member)}" for name, member in value.items()) or "-"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
