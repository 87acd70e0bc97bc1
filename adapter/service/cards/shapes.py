"""In: nothing. Out: the objects of CDS Hooks 2.0 as this service takes and gives them, for the OpenAPI document.

What comes in is read by `reading`, which keeps the bytes of resources; these shapes only describe it. A member without a
value is left out, never null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Cards", "Discovery", "FeedbackRequest", "FeedbackTaken", "HookRequest", "body_of"]

Resource = dict[str, Any]
_ID = r"^[A-Za-z0-9\-.]{1,64}$"
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True)


# Discovery ----------------------------------------------------------------------------------------------------------


class Service(_Shape):
    """One service: a hook for a trial."""

    hook: Literal["patient-view", "order-select"]
    title: str
    description: str
    id: str
    prefetch: dict[str, str]
    usageRequirements: str


class Discovery(_Shape):
    """All services."""

    services: list[Service]


# Call ---------------------------------------------------------------------------------------------------------------


class Authorization(_Shape):
    """A token for the FHIR server, which is shown to the configured server of the site only."""

    access_token: str = Field(pattern=r"^[A-Za-z0-9\-._~+/]+=*$")
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    subject: str


class Context(_Shape):
    """What the hook is about; `selections` and `draftOrders` for order-select only."""

    userId: str = Field(pattern=r"^(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}$")
    patientId: str = Field(pattern=_ID)
    encounterId: str = ""
    selections: list[str] = []
    draftOrders: Resource = {}


class HookRequest(_Shape):
    """A call of a hook."""

    hook: Literal["patient-view", "order-select"]
    hookInstance: str = Field(pattern=_UUID)
    context: Context
    fhirServer: str = Field("", description="The base_url of a configured site.")
    fhirAuthorization: Authorization | None = None
    prefetch: dict[str, Resource | None] = {}


# Cards --------------------------------------------------------------------------------------------------------------


class Coding(_Shape):
    """A code with its words."""

    code: str
    system: str
    display: str


class Source(_Shape):
    """Whose card it is."""

    label: str
    url: str | None = None


class Action(_Shape):
    """What a suggestion does."""

    type: Literal["create"]
    description: str
    resource: Resource


class Suggestion(_Shape):
    """The proposal of a ResearchSubject; nobody is included by it."""

    label: str
    uuid: str
    actions: list[Action]


class Link(_Shape):
    """Where to read on."""

    label: str
    url: str
    type: Literal["absolute"]


class Card(_Shape):
    """What is shown."""

    uuid: str
    summary: str = Field(max_length=139)
    detail: str
    indicator: Literal["info", "warning"]
    source: Source
    suggestions: list[Suggestion] | None = None
    selectionBehavior: Literal["at-most-one"] | None = None
    overrideReasons: list[Coding]
    links: list[Link] | None = None


class Cards(_Shape):
    """The answer to a call: one card, or none."""

    cards: list[Card]


# Feedback -----------------------------------------------------------------------------------------------------------


class AcceptedSuggestion(_Shape):
    """A suggestion that was taken."""

    id: str


class Reason(_Shape):
    """A code of the card's reasons, or one of the client's own."""

    code: str
    system: str = ""


class OverrideReason(_Shape):
    """Why a card was put away."""

    reason: Reason | None = None
    userComment: str = ""


class Feedback(_Shape):
    """What a person did with one card."""

    card: str = Field(pattern=_UUID)
    outcome: Literal["accepted", "overridden"]
    outcomeTimestamp: str
    acceptedSuggestions: list[AcceptedSuggestion] = []
    overrideReason: OverrideReason | None = None


class FeedbackRequest(_Shape):
    """What was done with cards."""

    feedback: list[Feedback] = Field(min_length=1, max_length=100)


class FeedbackTaken(_Shape):
    """How many entries were kept, and how many are of cards that this client was never shown."""

    taken: int
    unknown: int


def body_of(shape: type[BaseModel]) -> dict[str, Any]:
    """The requestBody of an operation whose body is read by hand.

    Every shape stands within: the document's components are made of what FastAPI reads itself.
    """
    schema = shape.model_json_schema()
    return {"required": True, "content": {"application/json": {"schema": _inlined(schema, schema.get("$defs", {}))}}}


def _inlined(node: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(one, known) for one in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        return _inlined(known[reference.rpartition("/")[2]], known)
    return {key: _inlined(value, known) for key, value in node.items() if key != "$defs"}
