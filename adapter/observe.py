"""In: events of our own code. Out: one line each on stderr, without patient content; stdout belongs to data.

``key=value`` on a terminal, JSON otherwise. An event whose keys are known to hold patient content is a defect of ours:
its values are taken out, and the line says so.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog

__all__ = [
    "configure",
    "guard_patient_content",
    "logger",
    "product",
    "release",
    "uninterrupted",
    "when_interruptible",
]

#: Element names of FHIR that hold what a person is or has; ids and references (``patient="Patient/1"``) may be logged.
REFUSED_KEYS = frozenset(
    [
        "address",
        "birth_date",
        "birthdate",
        "code",
        "content",
        "contact",
        "display",
        "family",
        "given",
        "identifier",
        "ins",
        "ipp",
        "name",
        "narrative",
        "nir",
        "note",
        "postal",
        "raw",
        "resource",
        "telecom",
        "text",
        "value",
    ]
)
WITHHELD = "(withheld)"
#: Libraries that would write whole addresses, with the patients in their queries, or headers.
_SILENCED = ("asyncio", "charset_normalizer", "httpcore", "httpx", "requests", "urllib3")


def configure(*, quiet: bool = False, json: bool | None = None) -> None:
    """Send all logs to stderr.

    Args:
        quiet: warnings and worse only.
        json: JSON lines; None for JSON where stderr is no terminal.
    """
    level = logging.WARNING if quiet else logging.INFO
    as_json = not sys.stderr.isatty() if json is None else json
    _withhold_from_others()
    for name in _SILENCED:
        # Above CRITICAL: nothing comes through, whatever a handler of theirs or of ours wants.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            guard_patient_content,
            _without_exception_text,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StderrFactory(),
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Any:
    """A logger that says which room an event comes from."""
    return structlog.get_logger().bind(room=room)


def guard_patient_content(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take the values out of keys that hold patient content, and say which; nothing is dropped silently."""
    refused = sorted(key for key in event if key.lower() in REFUSED_KEYS)
    for key in refused:
        event[key] = WITHHELD
    if refused:
        event["withheld"] = refused
    return event


def _without_exception_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name an exception by its class only: a library's text may quote what it choked on."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["exception"] = type(error).__name__
    return event


class _OwnWords(logging.Handler):
    """What our own rooms write is told as it is; of a library only that it wrote, and where: its text may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if record.name.partition(".")[0] == __name__.partition(".")[0]:
            sys.stderr.write(f"{record.getMessage()}\n")
            return
        error = record.exc_info[1] if record.exc_info else None
        told = {} if error is None else {"exception": type(error).__name__}
        place = f"{record.filename}:{record.lineno}"
        logger("library").log(record.levelno, "a library's text is withheld", source=record.name, place=place, **told)


def _withhold_from_others() -> None:
    """Have nobody's text written but ours: not a library's, a warning's, nor that of an error that a thread ended with."""
    # Where a handler is set up, somebody else has decided who is told what.
    logging.lastResort = _OwnWords(logging.WARNING)
    if not sys.warnoptions:
        # Who asks for warnings (-W, PYTHONWARNINGS) is developing, and gets them.
        logging.captureWarnings(True)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _thread_ended
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _not_raised


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit:
        thread = ended.thread.name if ended.thread is not None else ""
        logger("library").error("a thread has failed", thread=thread, exception=ended.exc_type.__name__)


def _not_raised(ignored: sys.UnraisableHookArgs) -> None:
    logger("library").error("an error had nowhere to go", exception=ignored.exc_type.__name__)


class _StderrFactory:
    """Writes to what stderr is at that moment, so that redirecting it works."""

    def __call__(self, *_args: Any) -> structlog.PrintLogger:
        return structlog.PrintLogger(sys.stderr)


def release() -> str:
    """Version of this product; ``unknown`` where it runs from a source folder that was never installed."""
    try:
        return version("reluth-fhir-adapter")
    except PackageNotFoundError:
        return "unknown"


def product() -> str:
    """Name and version, as other sides are told them."""
    return f"reluth-fhir-adapter {release()}"


# Moments that a signal has to wait for ------------------------------------------------------------------------------

_depth = 0
_waiting: list[Callable[[], None]] = []


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A block (a commit) that a signal to end waits for; signals are given to the main thread, others are not ended so.

    >>> done = []
    >>> with uninterrupted():
    ...     when_interruptible(lambda: done.append("ended"))
    ...     done.append("committed")
    >>> done
    ['committed', 'ended']
    """
    global _depth  # noqa: PLW0603 - signals, too, are of the process
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        while not _depth and _waiting:
            _waiting.pop(0)()


def when_interruptible(action: Callable[[], None]) -> None:
    """Do it now, or at the end of the block that is not to be interrupted; called by a signal's handler."""
    if _depth:
        _waiting.append(action)
    else:
        action()
