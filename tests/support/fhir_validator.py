"""In: a FHIR resource as a dict. Out: what HL7's validator (in HAPI, offline) finds wrong with it, for R4, R4B and R5.

One Java process a session: the first resource of a version takes 5 s (R4, R4B) or 17 s (R5), a later one 30 ms.
"""

from __future__ import annotations

import atexit
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.support.hapi_server import java_process


class Issue(msgspec.Struct, frozen=True):
    """One finding of the validator."""

    #: fatal, error, warning or information.
    severity: str
    message: str
    #: FHIRPath of the element; None for the whole resource.
    location: str | None = None
    #: the validator's own name for this kind of finding, or the invariant's URL.
    id: str | None = None


class _Answer(msgspec.Struct):
    issues: list[Issue] | None = None
    problem: str | None = None


class Validator:
    """A running `ValidatorServer`; one question at a time, from any thread."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self._lock = threading.Lock()
        # Numbers with their digits: 12.10 must not become "12.10" nor 12.1.
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._decoder = msgspec.json.Decoder(_Answer)

    def issues(self, resource: dict[str, Any], version: str) -> list[Issue]:
        """All findings, those included that are no errors.

        Args:
            resource: of any type; a Bundle is checked with all that is in it.
            version: "4.0.1", "4.3.0" or "5.0.0"; a `FhirVersion` will do.

        Returns:
            the findings in the validator's order; none if it has nothing to say.

        Raises:
            RuntimeError: the version is unknown, or the process has ended.
        """
        question = self._encoder.encode({"version": str(version), "resource": resource})
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            try:
                stdin.write(question + b"\n")
                stdin.flush()
                line = stdout.readline()
            except BrokenPipeError:
                line = b""
        if not line:
            raise RuntimeError(f"The validator has ended: {self._log.read_text(errors='replace')[-2000:]}")
        answer = self._decoder.decode(line)
        if answer.issues is None:
            raise RuntimeError(f"The validator could not answer: {answer.problem}")
        return answer.issues

    def errors(self, resource: dict[str, Any], version: str) -> list[str]:
        """What makes the resource invalid, as "location: message"; see `issues` for the arguments."""
        return [
            f"{issue.location}: {issue.message}"
            for issue in self.issues(resource, version)
            if issue.severity in ("error", "fatal")
        ]


_shared = ExitStack()
_shared_validator: list[Validator] = []
_starting = threading.Lock()


def running_validator() -> Validator:
    """The one validator of this test session, started at the first call and ended with the session.

    Skips the test where Java or Maven are missing, and fails it there when CI=true.
    """
    with _starting:
        if not _shared_validator:
            _shared_validator.append(_shared.enter_context(validator()))
            atexit.register(_shared.close)
    return _shared_validator[0]


@contextmanager
def validator() -> Iterator[Validator]:
    """A validator of one's own, ended with the block.

    Skips the test where Java or Maven are missing, and fails it there when CI=true.
    """
    with java_process("ValidatorServer", needed_by="The HL7 validator", answers=True) as (process, log):
        yield Validator(process, log)
