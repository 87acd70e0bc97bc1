"""In: identifiers, codes and contacts as texts. Out: the same as values that several entities share."""

from __future__ import annotations

from mappings.entity.fields import CONTROL, URI, EntityError, Values, check_code, check_text

__all__ = ["Coding", "Contact", "Identifier"]


class Identifier(Values, frozen=True, kw_only=True):
    """A business identifier: an absolute URI, and the value that is unique within it."""

    system: str
    value: str

    def __post_init__(self) -> None:
        """Refuse what no server could search for."""
        if not URI.fullmatch(self.system) or CONTROL.search(self.system):
            raise EntityError("system", "an absolute URI is wanted")
        check_text("value", self.value, longest=255)


class Coding(Values, frozen=True, kw_only=True):
    """A code of a system, with the text shown for it."""

    system: str
    code: str
    display: str | None = None

    def __post_init__(self) -> None:
        """Refuse what FHIR could not hold."""
        if not URI.fullmatch(self.system):
            raise EntityError("system", "an absolute URI is wanted")
        check_code("code", self.code)
        check_text("display", self.display)


class Contact(Values, frozen=True, kw_only=True):
    """Who to ask, as a public registry names them."""

    name: str
    role: str | None = None
    phone: str | None = None
    email: str | None = None

    def __post_init__(self) -> None:
        """Refuse empty texts."""
        for field in ("name", "role", "phone", "email"):
            check_text(field, getattr(self, field), longest=255)
