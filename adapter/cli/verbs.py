"""In: the root of the command line. Out: the same with all verbs, one module a verb."""

from __future__ import annotations

import typer

from adapter.cli.add import add
from adapter.cli.audit import audit
from adapter.cli.backup import backup
from adapter.cli.check import check
from adapter.cli.conflicts import conflicts
from adapter.cli.criteria import criteria
from adapter.cli.decide import decide
from adapter.cli.demo import demo
from adapter.cli.digest import digest
from adapter.cli.export import export
from adapter.cli.forget import forget
from adapter.cli.funnel import funnel
from adapter.cli.init import init
from adapter.cli.keys import keys
from adapter.cli.load import load
from adapter.cli.log import log
from adapter.cli.openapi import openapi
from adapter.cli.pull import pull
from adapter.cli.push import push
from adapter.cli.report import report
from adapter.cli.restore import restore
from adapter.cli.screen import screen
from adapter.cli.serve import serve
from adapter.cli.simulate import simulate
from adapter.cli.store import store
from adapter.cli.subscribe import subscribe
from adapter.cli.sync import sync
from adapter.cli.terms import terms
from adapter.cli.trace import trace
from adapter.cli.user import user
from adapter.cli.verify import verify
from adapter.cli.why import why
from adapter.cli.worklist import worklist

__all__ = ["register"]

#: In the order of the help: first what shows it all, then the way of the data.
_VERBS = (
    demo,
    init,
    keys,
    simulate,
    pull,
    check,
    terms,
    screen,
    why,
    worklist,
    log,
    funnel,
    add,
    decide,
    load,
    push,
    conflicts,
    export,
    trace,
    verify,
    report,
    sync,
    subscribe,
    digest,
    serve,
    audit,
    forget,
    backup,
    restore,
    openapi,
)


def register(app: typer.Typer, *, epilog: str) -> None:
    """Add the verbs; each help ends with what holds for all."""
    for verb in _VERBS:
        app.command(verb.__name__, epilog=epilog)(verb)
    app.add_typer(store, name="store", epilog=epilog)
    app.add_typer(criteria, name="criteria", epilog=epilog)
    app.add_typer(user, name="user", epilog=epilog)
