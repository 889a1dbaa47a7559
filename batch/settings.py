"""Every setting of an instance: one frozen object, read once, printed at start.

Sources, strongest first: keyword arguments (the command line), environment variables
``FLA_BATCH_<NAME>``, ``settings.toml`` in the data directory, the defaults below. Each limit
carries its reason.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from batch import routed
from batch.errors import InstanceError
from batch.routed import RoutedService
from batch.signing import pkcs11_uri

MEGABYTE = 1_000_000
_PREFIX = "FLA_BATCH_"


class Settings(BaseSettings):
    """The settings of one instance. Field descriptions are the documentation (docs/settings.md)."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", allow_inf_nan=False
    )

    data: Path = Field(Path("fla-data"), description="the instance's directory; one file system")
    host: str = Field("127.0.0.1", description="address to listen on; loopback until you decide")
    port: int = Field(
        8022, ge=0, le=65535, description="port to listen on, as the official channel"
    )

    fla_codes: Annotated[tuple[str, ...], NoDecode] = Field(
        ("FLAD",), description="purpose codes of the FLA; the official one is not public"
    )

    services: dict[str, RoutedService] = Field(
        {}, description="services beside the FLA, by name; see below and docs/services.md"
    )

    grace_seconds: float = Field(
        3.0,
        ge=0,
        le=5,
        description="wait after GO for files still under way; some clients upload in parallel "
        "(contract, section 2: at most 5)",
    )
    unfinished_seconds: float = Field(
        900.0,
        gt=0,
        description="files without a GO, and names that do not split, are answered after this",
    )
    settle_seconds: float = Field(
        2.0, ge=0, description="a file that did not come over SFTP must be unchanged this long"
    )
    sweep_seconds: float = Field(
        5.0, gt=0, description="period of the sweep; a hint only makes it come sooner"
    )
    watchdog: bool = Field(
        True, description="hints from inotify; without them every set waits for the sweep"
    )
    too_old_days: int = Field(
        365, ge=1, description="a name's date further back is refused with 126"
    )
    max_parts: int = Field(
        9, ge=1, le=9, description="parts of a set; the name has one digit for it"
    )

    max_file_bytes: int = Field(
        500 * MEGABYTE, ge=1, description="largest FI; larger is refused while it is uploaded"
    )
    max_signature_bytes: int = Field(
        64 * 1024,
        ge=1,
        description="largest FS: a CMS with a chain is under 16 kB, base64 adds a third",
    )
    signature_qualified: bool = Field(
        False,
        description="sign only with a certificate that says it is qualified for electronic "
        "signatures or seals (ETSI EN 319 412-5), asked at registration and for every set: 153",
    )
    max_forms: int = Field(1_000_000, ge=1, description="forms in one FI; more is refused with 275")
    min_form_bytes: int = Field(
        100,
        ge=1,
        description="more than 1,000 forms that are shorter than this on average are refused with "
        "172: each would be answered with ten times its bytes",
    )
    max_answer_bytes: int = Field(
        50 * MEGABYTE, ge=1, description="a larger FO is sent as CO, a ZIP (contract, section 3)"
    )
    answers_kept_days: float = Field(
        400.0,
        ge=0,
        le=36_500,
        description="days an answer stays in OUT unless its sender deletes it: who declares once a "
        "year still finds the last ones. Then it is kept in the archive and can be redelivered; 0 "
        "leaves it there for ever",
    )
    max_attempts: int = Field(
        3, ge=1, description="a set that stopped the worker this often goes to quarantine"
    )

    institution_key_uri: str | None = Field(
        None,
        description="where the key that signs the answers lies in a PKCS#11 token (RFC 7512): "
        "token (or serial), object (or id), module-path, pin-source=file:/...; without it, "
        "keys/institution.key. The PIN itself may not stand here; see docs/operate.md",
    )
    undecided_hours: float = Field(
        24.0,
        gt=0,
        le=24 * 365,
        description="a set whose signature waits this long for a source of revocations goes to "
        "quarantine: a CA mends its outages within a day, and its sender waits for an answer",
    )
    revocation_fetch: bool = Field(
        True,
        description="fetch the revocation lists and OCSP answers that the registered certificates "
        "name; off where the channel may not reach them, and CRLs are given by `trust add`",
    )
    revocation_private: bool = Field(
        False,
        description="fetch them from loopback and private addresses too; only for closed networks: "
        "else whoever issues a certificate could have us ask our own machines",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="port for Prometheus, on the loopback only; 0 is none, since whoever has a "
        "login on this machine can read it: numbers of senders, addresses of CAs, how much waits",
    )

    min_free_bytes: int = Field(
        100 * MEGABYTE,
        ge=0,
        description="below this much free disk new uploads are refused; answers and the database "
        "need the rest for what is sealed",
    )
    min_free_inodes: int = Field(
        1000,
        ge=0,
        description="the same for inodes: a set and its answers take a dozen; not asked where the "
        "file system has no fixed number",
    )
    max_sender_bytes: int = Field(
        20_000 * MEGABYTE,
        ge=1,
        description="what one sender may have under way and in IN and INTEST that is not sealed: "
        "four sets of the largest kind; what is sealed waits for us and does not count",
    )
    max_sender_files: int = Field(
        20_000,
        ge=1,
        description="the same in files: 6,000 sets of a mandatary whose GOs all come last",
    )
    max_waiting_sets: int = Field(
        100_000,
        ge=1,
        description="sets in `sealed` above which a GO is refused for now: while the database is "
        "away they wait, and each takes a dozen inodes; a sender may have as many there as places "
        "are left, so that none fills it for the others",
    )

    window_first_year: int = Field(
        2024, description="first year of the five-year window in which credit is carried over"
    )
    window_last_year: int = Field(2028, description="last year of that window")

    max_connections: int = Field(
        200,
        ge=1,
        description="connections at once: with their files they fit in the usual limit of 1024 "
        "open files",
    )
    max_connections_per_sender: int = Field(
        8, ge=1, description="connections at once of one sender: parallel clients use up to 4"
    )
    max_strangers_per_address: int = Field(
        50,
        ge=1,
        description="connections at once of one address that have not logged in; of more, the one "
        "that waited longest makes room",
    )
    connections_per_second: float = Field(
        100.0,
        gt=0,
        description="connections a second of one address that do not log in: each costs a key "
        "exchange, for anybody who knocks; ten seconds' worth may come at once, so that who shares "
        "an address with a burst still gets in",
    )
    max_failed_logins: int = Field(
        20,
        ge=1,
        description="connections of one address that may end with no login but a failed try, "
        "whoever's, before all of that address are refused; one is forgotten every 3 seconds, and "
        "a login that succeeds, or had to make room for others, neither counts nor forgives",
    )
    penalty_seconds: float = Field(
        60.0,
        ge=0,
        description="an address whose logins go on failing is refused at most this long after the "
        "last that failed",
    )
    max_handles: int = Field(
        32, ge=1, description="open files of one session: clients pipeline fewer than 16"
    )
    legacy: bool = Field(
        False,
        description="for old clients that know nothing newer: also an ECDSA host key and key "
        "exchange on NIST P-256; named in the log at each start",
    )
    login_seconds: float = Field(
        20.0, gt=0, description="time to log in; a client that drips bytes is cut"
    )
    idle_seconds: float = Field(900.0, gt=0, description="a silent session is closed after this")
    session_seconds: float = Field(
        8 * 3600.0,
        gt=0,
        description="a session is closed after this in all: a key that was taken away ends with it",
    )

    @field_validator("institution_key_uri")
    @classmethod
    def _key_uri(cls, given: str | None) -> str | None:
        if given is not None:
            pkcs11_uri.parse(given)
        return given

    @field_validator("fla_codes", mode="before")
    @classmethod
    def _codes(cls, given: object) -> object:
        """Separated by commas or spaces in the environment; each must be four letters A-Z."""
        codes = re.findall(r"[^\s,\[\]\"]+", given) if isinstance(given, str) else given
        if not isinstance(codes, (list, tuple)) or not codes:
            raise ValueError("expected at least one purpose code of four letters A-Z")
        for code in codes:
            if not isinstance(code, str) or not re.fullmatch(r"[A-Z]{4}", code):
                raise ValueError(f"{code!r} is no purpose code: expected four letters A-Z")
        return tuple(codes)

    @model_validator(mode="after")
    def _services(self) -> Self:
        wrong = routed.fault(self.services, self.fla_codes)
        if wrong is not None:
            raise ValueError(f"services: {wrong}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        data = Path(init_settings().get("data") or env_settings().get("data") or "fla-data")
        toml = TomlConfigSettingsSource(settings_cls, data / "settings.toml")
        return (init_settings, env_settings, toml)


def load(**given: Any) -> Settings:
    """Read the settings once; InstanceError names the field that is wrong and its place."""
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except SettingsError as error:
        raise InstanceError(f"the settings cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InstanceError(
            f"setting {field}: {first['msg']} (from the command line, FLA_BATCH_{field.upper()} "
            "or settings.toml in the data directory)"
        ) from None


def misspelt(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that look like a setting and are none, each with the name it may have meant."""
    known = [name.upper() for name in Settings.model_fields]
    for variable in sorted(environment):
        name = variable.removeprefix(_PREFIX)
        if variable.startswith(_PREFIX) and name not in known:
            for near in difflib.get_close_matches(name, known, n=1):
                yield variable, _PREFIX + near
