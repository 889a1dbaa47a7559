"""Commands on the registers: ``enterprise``, ``channel``, ``mandate``.

Values come in as plain text and are parsed here: a bad value is refused with a reason and exit 1,
where the option types of the command line library would call it bad syntax (exit 2).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from batch import routed
from batch.cli import exceptions, output, rollover
from batch.cli.values import instant, one_of, parsed, read_file
from batch.errors import OperatorError
from batch.identifiers import EnterpriseNumber, InvalidIdentifier, NssoNumber, Quarter, SenderNumber
from batch.names import BRUSSELS
from batch.registers import Channel, Enterprise, Mandate, Quality
from batch.storage.instance import Instance
from batch.storage.registers_admin import NewChannel, RegistersAdmin
from batch.storage.registers_tables import Fact

CERTIFICATE = "Signing certificate, PEM or DER; a PEM may hold the CAs above it too."

PARTS = ("grants", "ssh_keys", "certificates", "exceptions")
"""What a channel has several of, with intervals: shown in tables of their own."""


def _group(text: str) -> typer.Typer:
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Register this module's groups."""
    for name, group in (
        ("enterprise", enterprise),
        ("channel", channel),
        ("mandate", mandate),
    ):
        app.add_typer(group, name=name)
    exceptions.add_to(channel, _channel)


enterprise = _group("Enterprises: employers, and those who send for them.")
channel = _group("Channels: who may log in, sign and use which service.")
mandate = _group("Mandates: which enterprise may send for which employer, by quarters.")

Number = Annotated[str, typer.Argument(help="Enterprise number (CBE).", metavar="NUMBER")]
Sender = Annotated[str, typer.Argument(help="Sender number, like 000001.", metavar="SENDER")]
Service = Annotated[str, typer.Argument(help="Name of the service, like FLA.", metavar="SERVICE")]


def _service(context: typer.Context, name: str) -> str:
    """A service of the settings, or the FLA."""
    return one_of("service", routed.names(context.obj.services), name)


@enterprise.command("add")
def enterprise_add(
    context: typer.Context,
    number: Number,
    name: Annotated[str, typer.Option("--name", help="Its name.", metavar="TEXT")],
    nsso: Annotated[
        str | None,
        typer.Option(
            "--nsso", help="Its NSSO (RSZ, ONSS) number, if it has one.", metavar="NUMBER"
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """Add an enterprise; one that is there gets the new name and NSSO number."""
    added = _registers(context).add_enterprise(
        parsed("enterprise NUMBER", EnterpriseNumber.parse, number),
        name,
        None if nsso is None else parsed("--nsso", NssoNumber.parse, nsso),
        _now(),
    )
    _say(json, _enterprise(added), f"enterprise {added.number} is in the register: {added.name}")


@enterprise.command("list")
def enterprise_list(context: typer.Context, json: output.Json = False) -> None:
    """List the enterprises."""
    _show("Enterprises", [_enterprise(e) for e in _registers(context).enterprises()], json)


@channel.command("open")
def channel_open(  # noqa: PLR0913 - one parameter per option of the contract
    context: typer.Context,
    number: Number,
    quality: Annotated[
        str, typer.Option("--quality", help=f"The role: {', '.join(Quality)}.", metavar="QUALITY")
    ],
    user: Annotated[str, typer.Option("--user", help="Name to log in with.", metavar="NAME")],
    ssh_key: Annotated[
        str, typer.Option("--ssh-key", help="Public SSH key, OpenSSH or RFC 4716.", metavar="FILE")
    ],
    certificate: Annotated[str, typer.Option("--certificate", help=CERTIFICATE, metavar="FILE")],
    service: Annotated[
        list[str],
        typer.Option("--service", help="Service it may use; may be repeated.", metavar="SERVICE"),
    ],
    json: output.Json = False,
) -> None:
    """Open a channel: gives out its sender number and makes its folders."""
    wanted = NewChannel(
        enterprise=parsed("enterprise NUMBER", EnterpriseNumber.parse, number),
        quality=Quality(one_of("--quality", Quality, quality)),
        user=user,
        ssh_key=read_file("--ssh-key", ssh_key),
        certificate=read_file("--certificate", certificate),
        services=tuple(_service(context, name) for name in service),
    )
    instance = Instance.open(context.obj)
    opened = admin_of(instance).open_channel(wanted, _now())
    instance.spool.sender(opened.sender)
    facts = _channel(opened) | {"warnings": rollover.unknown(_registers(context), opened, _now())}
    _say(json, facts, f"channel {opened.sender} is open: log in as {opened.user}")


@channel.command("list")
def channel_list(context: typer.Context, json: output.Json = False) -> None:
    """List the channels, closed ones included, and the days until one has no certificate."""
    facts = [_channel(held) for held in _registers(context).channels()]
    alone = {
        "opened_at",
        "days_left",
        "certificate_warning",
        *PARTS,
    }  # the table must fit a terminal
    shown = [{n: value for n, value in one.items() if n not in alone} for one in facts]
    _show("Channels", facts if json else shown, json)


@channel.command("show")
def channel_show(context: typer.Context, sender: Sender, json: output.Json = False) -> None:
    """Show one channel: keys, certificates and services, those that have ended included."""
    number = _sender(sender)
    found = _registers(context).channel(number)
    if found is None:
        raise OperatorError(f"SENDER {number}: no such channel; see fla-batch channel list")
    facts = _channel(found)
    if json:
        output.document(facts)
        return
    parts = {name: facts.pop(name) for name in PARTS}
    rows = [(_words(n), rollover.coloured(facts, n) or _cell(v)) for n, v in facts.items()]
    output.table(f"Channel {number}", ("what", "value"), rows)
    for name, of_part in parts.items():
        _show(_words(name).capitalize(), of_part, False)


@channel.command("grant")
def channel_grant(
    context: typer.Context, sender: Sender, service: Service, json: output.Json = False
) -> None:
    """Let a channel use a service, from now on."""
    number, name = _sender(sender), _service(context, service)
    changed = _registers(context).grant(number, name, _now())
    _say(json, _channel(changed), f"channel {number} may use {name}")


@channel.command("revoke")
def channel_revoke(
    context: typer.Context, sender: Sender, service: Service, json: output.Json = False
) -> None:
    """Take a service from a channel, from now on."""
    number, name = _sender(sender), _service(context, service)
    changed = _registers(context).revoke(number, name, _now())
    _say(json, _channel(changed), f"channel {number} may no longer use {name}")


@channel.command("certificate")
def channel_certificate(
    context: typer.Context,
    sender: Sender,
    file: Annotated[str, typer.Argument(help=CERTIFICATE, metavar="FILE")],
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Valid from then: 2026-07-01T08:00:00+02:00, or in Brussels time without zone.",
            metavar="TIMESTAMP",
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """Add a signing certificate, valid now or --from; the former stays valid until its own end."""
    number = _sender(sender)
    begin = None if since is None else instant("--from", since)
    data = read_file("certificate FILE", file)
    changed = _registers(context).set_certificate(number, data, _now(), begin)
    when = "now" if begin is None else begin.isoformat()
    facts = _channel(changed) | {"warnings": rollover.unknown(_registers(context), changed, _now())}
    _say(json, facts, f"channel {number} signs with this certificate from {when} on")


@channel.command("ssh-key")
def channel_ssh_key(
    context: typer.Context,
    sender: Sender,
    file: Annotated[str, typer.Argument(help="Public SSH key, as in open.", metavar="FILE")],
    json: output.Json = False,
) -> None:
    """Replace the login key of a channel; the former no longer logs in."""
    number = _sender(sender)
    changed = _registers(context).set_ssh_key(number, read_file("ssh-key FILE", file), _now())
    _say(json, _channel(changed), f"channel {number} logs in with the new key")


@channel.command("legacy")
def channel_legacy(
    context: typer.Context,
    sender: Sender,
    switch: Annotated[str, typer.Argument(help="on or off.", metavar="SWITCH")],
    json: output.Json = False,
) -> None:
    """Let a channel log in with SHA-1 signatures (ssh-rsa), for a client that makes no others.

    Never on by itself. SHA-1 is broken: use it until that client is renewed; each such login is
    told in the log.
    """
    number, on = _sender(sender), one_of("legacy", ("on", "off"), switch) == "on"
    changed = _registers(context).set_legacy(number, on, _now())
    may = "may log in" if on else "no longer logs in"
    _say(json, _channel(changed), f"channel {number} {may} with SHA-1 signatures")


@channel.command("close")
def channel_close(context: typer.Context, sender: Sender, json: output.Json = False) -> None:
    """Close a channel for good; what it sent stays, and is answered."""
    number = _sender(sender)
    _say(json, _channel(_registers(context).close_channel(number, _now())), f"{number} is closed")


@mandate.command("grant")
def mandate_grant(
    context: typer.Context,
    employer: Annotated[
        str, typer.Option("--employer", help="Enterprise number of the employer.", metavar="NUMBER")
    ],
    mandatary: Annotated[
        str, typer.Option("--mandatary", help="Enterprise number of who sends.", metavar="NUMBER")
    ],
    service: Annotated[
        str, typer.Option("--service", help="Name of the service, like FLA.", metavar="SERVICE")
    ],
    first: Annotated[
        str, typer.Option("--from", help="First quarter, like 2026Q1.", metavar="QUARTER")
    ],
    last: Annotated[
        str | None,
        typer.Option("--until", help="Last quarter; without it, no end.", metavar="QUARTER"),
    ] = None,
    json: output.Json = False,
) -> None:
    """Let an enterprise send for an employer; an employer has one mandatary per service."""
    wanted = Mandate(
        id=0,
        employer=parsed("--employer", EnterpriseNumber.parse, employer),
        mandatary=parsed("--mandatary", EnterpriseNumber.parse, mandatary),
        service=_service(context, service),
        first=parsed("--from", Quarter.parse, first),
        last=None if last is None else parsed("--until", Quarter.parse, last),
    )
    given = _registers(context).grant_mandate(wanted, _now())
    _say(json, _mandate(given), f"mandate {given.id}: {given.mandatary} sends for {given.employer}")


@mandate.command("list")
def mandate_list(context: typer.Context, json: output.Json = False) -> None:
    """List the mandates, ended ones included."""
    _show("Mandates", [_mandate(m) for m in _registers(context).mandates()], json)


@mandate.command("end")
def mandate_end(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Its id in mandate list.", metavar="ID")],
    quarter: Annotated[
        str, typer.Option("--quarter", help="Its last quarter, like 2026Q4.", metavar="QUARTER")
    ],
    json: output.Json = False,
) -> None:
    """End a mandate with a quarter, which is its last."""
    last = parsed("--quarter", Quarter.parse, quarter)
    ended = _registers(context).end_mandate(parsed("ID", _id, number), last, _now())
    _say(json, _mandate(ended), f"mandate {ended.id} ends with {ended.last}")


def _registers(context: typer.Context) -> RegistersAdmin:
    return admin_of(Instance.open(context.obj))


def admin_of(instance: Instance) -> RegistersAdmin:
    """The registers of an instance, changed by its rules for certificates."""
    qualified = instance.settings.signature_qualified
    return RegistersAdmin(instance.production, qualified=qualified)


def _now() -> datetime:
    return datetime.now(UTC)


def _sender(text: str) -> SenderNumber:
    return parsed("SENDER", SenderNumber.parse, text)


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidIdentifier("give the number shown by fla-batch mandate list")
    return int(text)


def _enterprise(held: Enterprise) -> dict[str, Any]:
    return {"enterprise_number": held.number, "name": held.name, "nsso_number": held.nsso}


def _mandate(held: Mandate) -> dict[str, Any]:
    parties = {name: getattr(held, name) for name in ("id", "employer", "mandatary", "service")}
    return {**parties, "from": held.first, "until": held.last}


def _channel(held: Channel) -> dict[str, Any]:
    now = _now()
    return {
        "sender_number": held.sender,
        "enterprise_number": held.enterprise,
        "quality": held.quality,
        "user": held.user,
        "opened_at": held.open.since,
        "closed_at": held.open.until,
        "legacy": held.legacy,
        "services": sorted({g.service for g in held.grants if g.valid.covers(now)}),
        **rollover.of_channel(held, now),
        "grants": [_held(g, "service") for g in held.grants],
        "ssh_keys": [_held(k, "fingerprint") for k in held.keys],
        "certificates": [
            _held(c, "subject", "fingerprint", "not_after") for c in held.certificates
        ],
        "exceptions": [_held(e, "what", "reason") for e in held.exceptions],
    }


def _held(fact: Fact, *names: str) -> dict[str, Any]:
    """Fields of a key, a certificate or a grant, with the interval in which it is valid."""
    return {name: getattr(fact, name) for name in names} | asdict(fact.valid)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(BRUSSELS).isoformat(sep=" ", timespec="seconds")
    return " ".join(value) if isinstance(value, list) else str("" if value is None else value)


def _say(json: bool, facts: Any, sentence: str) -> None:
    output.document(facts) if json else typer.echo(sentence)


def _show(title: str, rows: list[dict[str, Any]], json: bool, alone: Collection[str] = ()) -> None:
    """``alone``: what stands in the document only; a table must fit a terminal."""
    if json:
        output.document(rows)
    elif not rows:
        typer.echo(f"{title}: none")
    else:
        names = [name for name in rows[0] if name not in alone]
        cells = [[rollover.coloured(row, n) or _cell(row[n]) for n in names] for row in rows]
        output.table(title, [_words(name) for name in names], cells)
