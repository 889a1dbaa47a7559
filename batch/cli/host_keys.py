"""Commands on the host keys: ``host-key list | new | switch | retire``."""

from __future__ import annotations

from typing import Annotated

import typer

from batch.cli import output
from batch.cli.values import one_of
from batch.storage.host_keys import HostKeys, Role
from batch.storage.instance import Instance

host_key = typer.Typer(
    help="Host keys: by which senders know the server. A new one is shown before it is used.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Register this module's group."""
    app.add_typer(host_key, name="host-key")


@host_key.command("list")
def host_key_list(context: typer.Context, json: output.Json = False) -> None:
    """List the host keys: used, next, former, legacy."""
    _show(_keys(context), json)


@host_key.command("new")
def host_key_new(context: typer.Context, json: output.Json = False) -> None:
    """Make the next host key: clients are shown it from now on, and it is not used yet."""
    keys = _keys(context)
    keys.make_next()
    _show(keys, json)


@host_key.command("switch")
def host_key_switch(context: typer.Context, json: output.Json = False) -> None:
    """Use the next host key from now on; the former is still shown until it is retired."""
    keys = _keys(context)
    keys.switch()
    _show(keys, json)


@host_key.command("retire")
def host_key_retire(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(help="former, or next for one that shall not be used.", metavar="WHICH")
    ] = "former",
    json: output.Json = False,
) -> None:
    """Show the former host key (or the next) no more, and destroy it."""
    keys = _keys(context)
    keys.retire(Role(one_of("WHICH", ("former", "next"), which)))
    _show(keys, json)


def _keys(context: typer.Context) -> HostKeys:
    return HostKeys(Instance.open(context.obj).layout)


def _show(keys: HostKeys, json: bool) -> None:
    held = keys.held()
    if json:
        output.document(
            [
                {"role": key.role, "fingerprint": key.fingerprint, "public": key.public}
                for key in held
            ]
        )
        return
    rows = [(key.role, key.fingerprint, key.public) for key in held]
    output.table("Host keys", ("role", "fingerprint", "public key"), rows)
