"""In: a name, roles as ROLE@SITE, a password. Out: accounts of the service, listed or changed; every change audited.

A password is never an argument: others on the machine could read it.
"""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.opening import Opened, opened
from adapter.cli.options import Options
from adapter.cli.output import console, data, line, note
from adapter.cli.patients import actor
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.store import Account, KeptPassword

__all__ = ["user"]

Name = Annotated[str, typer.Argument(help="By which the account signs in; capitals do not matter.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]

user = typer.Typer(help="Keep the accounts of the service.", rich_markup_mode=None, no_args_is_help=True)


@user.command()
def add(
    ctx: typer.Context,
    name: Name,
    role: Annotated[list[str], typer.Option(help="ROLE@SITE, or ROLE@* for every site; may be repeated.")],
    display: Annotated[str, typer.Option(help="As pages name them; else the name.")] = "",
    email: Annotated[str, typer.Option(help="For mail digests.")] = "",
    password_stdin: FromStdin = False,
) -> None:
    """Make an account. Its password is asked for at a terminal, read from stdin, or made: for one use, on stdout."""
    from adapter.accounts import account_name, parse_roles, written_roles

    options: Options = ctx.obj
    with opened(options, make=True) as room:
        folded = account_name(name)
        roles = parse_roles(role, sites=_sites(room))
        _check_facts(display, email)
        if room.store.accounts.by_name(folded) is not None:
            raise UsageError(f"account {folded}: there is one by this name already")
        is_first = not room.store.accounts.any_enabled()
        password, made = _password(folded, from_stdin=password_stdin)
        with room.store.together():
            account = room.store.accounts.add(folded, roles=roles, password=password, display=display, email=email)
            _audit(room, "user-add", account, " ".join(written_roles(roles)))
    _tell(options, account, made=made)
    note(options, f"account {account.name}: made, as {', '.join(written_roles(account.roles))}")
    if is_first:
        note(options, "from its next start on `reluth serve` asks for a name and a password, and prints no link")


@user.command("list")
def list_accounts(ctx: typer.Context) -> None:
    """List the accounts, disabled ones included."""
    from rich import box
    from rich.table import Table

    from adapter.accounts import written_roles

    options: Options = ctx.obj
    with opened(options) as room:
        accounts = room.store.accounts.all()
    if options.json:
        data({"accounts": [_shape(account) for account in accounts]})
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("name", "display", "roles", "state", "signs in by"):
        table.add_column(heading)
    for account in accounts:
        table.add_row(
            account.name, account.display, "\n".join(written_roles(account.roles)), _state(account), _way(account)
        )
    console().print(table)


@user.command()
def role(
    ctx: typer.Context,
    name: Name,
    grant: Annotated[list[str] | None, typer.Option(help="ROLE@SITE to give; may be repeated.")] = None,
    revoke: Annotated[list[str] | None, typer.Option(help="ROLE@SITE to take; may be repeated.")] = None,
) -> None:
    """Give an account roles, or take some. Its sessions end."""
    from adapter.accounts import parse_roles, written_roles

    options: Options = ctx.obj
    if not grant and not revoke:
        raise UsageError("--grant ROLE@SITE or --revoke ROLE@SITE is wanted")
    with opened(options) as room:
        account = _known(room, name)
        if account.issuer is not None:
            raise UsageError(f"account {account.name}: its roles come from {account.issuer}; see [oidc] grants")
        standing = set(written_roles(account.roles))
        # A site may have gone from the settings since: what an account has there can be taken still.
        taken = set(revoke or ())
        missing = sorted(taken - standing)
        if missing:
            raise UsageError(f"account {account.name}: has not {', '.join(missing)}")
        given = parse_roles(grant or (), sites=_sites(room))
        wanted = {site: set(roles) for site, roles in account.roles.items()}
        for site, roles in given.items():
            wanted.setdefault(site, set()).update(map(str, roles))
        for text in taken - set(written_roles(given)):
            found, _, site = text.partition("@")
            wanted[site].discard(found)
        changed = [*(f"+{text}" for text in written_roles(given)), *(f"-{text}" for text in sorted(taken))]
        with room.store.together():
            account = room.store.accounts.set_roles(account.number, wanted)
            _audit(room, "user-role", account, " ".join(changed))
    _tell(options, account)
    note(options, f"account {account.name}: now {', '.join(written_roles(account.roles)) or 'without a role'}")


@user.command()
def password(ctx: typer.Context, name: Name, password_stdin: FromStdin = False) -> None:
    """Give an account another password, as `add` does. Its sessions end."""
    options: Options = ctx.obj
    with opened(options) as room:
        account = _known(room, name)
        if account.issuer is not None:
            raise UsageError(f"account {account.name}: signs in at {account.issuer}, and has no password here")
        kept, made = _password(account.name, from_stdin=password_stdin)
        with room.store.together():
            account = room.store.accounts.set_password(account.number, kept)
            _audit(room, "user-password", account, "one-time" if kept.one_time else "given")
    _tell(options, account, made=made)
    note(options, f"account {account.name}: has another password")


@user.command()
def disable(ctx: typer.Context, name: Name) -> None:
    """Let an account sign in no more. Its sessions end; what it did stays under its name."""
    options: Options = ctx.obj
    with opened(options) as room:
        with room.store.together():
            account = room.store.accounts.disable(_known(room, name).number)
            _audit(room, "user-disable", account)
        is_last = not room.store.accounts.any_enabled()
    _tell(options, account)
    note(options, f"account {account.name}: disabled")
    if is_last:
        note(options, "no account is left: from its next start on `reluth serve` prints a one-time link again")


@user.command()
def enable(ctx: typer.Context, name: Name) -> None:
    """Let a disabled account sign in again."""
    options: Options = ctx.obj
    with opened(options) as room, room.store.together():
        account = room.store.accounts.enable(_known(room, name).number)
        _audit(room, "user-enable", account)
    _tell(options, account)
    note(options, f"account {account.name}: enabled")


@user.command()
def unlock(ctx: typer.Context, name: Name) -> None:
    """Forget the wrong passwords that locked an account."""
    options: Options = ctx.obj
    with opened(options) as room, room.store.together():
        account = room.store.accounts.unlock(_known(room, name).number)
        _audit(room, "user-unlock", account)
    _tell(options, account)
    note(options, f"account {account.name}: unlocked")


# --------------------------------------------------------------------------------------------------------------------


def _sites(room: Opened) -> list[str]:
    return sorted({*room.settings.sites, *room.store.lake.sites()})


def _known(room: Opened, name: str) -> Account:
    account = room.store.accounts.by_name(name)
    if account is None:
        raise UsageError(f"account {name}: there is none by this name; `reluth user list` shows all")
    return account


def _check_facts(display: str, email: str) -> None:
    if len(display) > 128 or not (display.isprintable()):
        raise UsageError("--display: at most 128 characters on one line")
    local, at, domain = email.partition("@")
    if email and not (
        local and at and "." in domain and len(email) <= 254 and email.isprintable() and " " not in email
    ):
        raise UsageError("--email: an address such as anna.roux@chu.example is wanted")


def _password(name: str, *, from_stdin: bool) -> tuple[KeptPassword, str]:
    """What is kept of a password, and the password itself where it was made here."""
    from adapter.accounts import Passwords, made_password, password_problem
    from adapter.store import KeptPassword

    made = ""
    if from_stdin:
        typed = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        typed = _typed_twice(name)
    else:
        typed = made = made_password()
    problem = password_problem(typed, name=name)
    if problem is not None:
        raise UsageError(f"{problem.sentence()}; nothing was changed")
    return KeptPassword(Passwords().hash(typed), one_time=bool(made)), made


def _typed_twice(name: str) -> str:
    typed = getpass.getpass(f"Password of {name}: ", stream=sys.stderr)
    if getpass.getpass("Once more: ", stream=sys.stderr) != typed:
        raise UsageError("two different passwords were typed; nothing was changed")
    return typed


def _audit(room: Opened, action: str, account: Account, detail: str = "") -> None:
    from adapter.accounts import account_subject

    room.store.audit(actor(), action, subject=account_subject(account), detail=detail)


def _tell(options: Options, account: Account, *, made: str = "") -> None:
    if options.json:
        data({**_shape(account), **({"password": made} if made else {})})
    elif made:
        line(made)
        note(options, "this password is shown once, and holds for choosing another one at the first sign-in")


def _shape(account: Account) -> dict[str, Any]:
    from adapter.accounts import written_roles

    return {
        "name": account.name,
        "display": account.display,
        "email": account.email,
        "roles": written_roles(account.roles),
        "state": _state(account),
        "signs_in_by": _way(account),
        "created_at": account.created_at,
    }


def _state(account: Account) -> str:
    from adapter.store.state import now

    if account.disabled_at is not None:
        return "disabled"
    if account.locked_until is not None and account.locked_until > now():
        return "locked"
    return "one-time password" if account.must_change_password else "enabled"


def _way(account: Account) -> str:
    return account.issuer or ("password" if account.has_password else "nothing")
