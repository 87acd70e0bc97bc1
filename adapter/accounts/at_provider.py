"""In: a browser on its way to a hospital's OpenID provider, and back. Out: where to send it; the account, with the roles of now.

What the provider answered is believed when all of it holds (`id_token`); who somebody is, and what they may, is told by `oidc`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from adapter.accounts.id_token import Expected, UnknownKey, read_id_token
from adapter.accounts.oidc import Grants, Person, person_of, states_groups
from adapter.accounts.signing_in import account_subject
from adapter.client.oidc import OidcProvider
from adapter.errors import RemoteError
from adapter.observe import logger
from adapter.store import Account, SignInFlow, Store

__all__ = ["FLOW_LASTS", "AtProvider", "ProviderRefusal", "Returned", "SignInRefused"]

#: How long a browser may stay at the provider.
FLOW_LASTS: Final = timedelta(minutes=10)
_NOBODY: Final = "nobody"


class ProviderRefusal(StrEnum):
    """Why nobody was let in."""

    #: The provider let them not in, or they went back.
    DENIED = "denied"
    #: The provider could not be reached, or said what is not believed.
    FAILED = "failed"
    #: Too late, a second time, or in another browser than it began in.
    LATE = "late"
    #: In no group that has a role here.
    NO_ROLE = "no-role"
    DISABLED = "disabled"


class SignInRefused(RemoteError):
    """Somebody who comes back from the provider is not let in."""

    def __init__(self, refusal: ProviderRefusal) -> None:
        self.refusal = refusal
        super().__init__(f"sign-in at the provider: {refusal}")


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser brings back from the provider, as it stands in the address.

    Args:
        state: that it left with.
        code: for tokens; empty where there is none.
        error: of the provider; empty where there is none.
        issuer: who says that it answers (RFC 9207); None where it does not.
    """

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    error: str = ""
    issuer: str | None = None


class AtProvider:
    """Sign-in at a provider.

    Args:
        provider: the way there.
        grants: roles by group.
        groups_claim: that holds the groups.
        now: seconds since 1970.
    """

    def __init__(
        self,
        provider: OidcProvider,
        *,
        grants: Grants,
        groups_claim: str = "groups",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.provider = provider
        self._grants = grants
        self._claim = groups_claim
        self._now = now

    def begin(self, store: Store, *, state: str, redirect_uri: str, onward: str) -> str:
        """Where to send a browser, which is remembered until it comes back.

        Args:
            store: open.
            state: random, and of this browser only.
            redirect_uri: where it comes back to.
            onward: where it goes then.

        Raises:
            RemoteError: the provider cannot be reached, or is not what it should be.
        """
        flow = SignInFlow(nonce=secrets.token_urlsafe(32), code_verifier=secrets.token_urlsafe(64), next=onward)
        url = self.provider.authorization_url(
            redirect_uri=redirect_uri, state=state, nonce=flow.nonce, code_verifier=flow.code_verifier
        )
        store.accounts.begin_flow(state, flow, lasting=FLOW_LASTS)
        return url

    def finish(self, store: Store, returned: Returned, *, redirect_uri: str) -> tuple[Account, str]:
        """Who came back, and where they go now.

        Raises:
            SignInRefused: they are not let in.
            RemoteError: the provider cannot be reached, or is not believed.
        """
        flow = store.accounts.take_flow(returned.state)
        if flow is None:
            raise SignInRefused(ProviderRefusal.LATE)
        known = self.provider.metadata()
        # RFC 9207 2.4: somebody else's answer is not looked at any further, and no code of theirs goes to this provider.
        if returned.issuer not in ({known.issuer} if known.names_itself else {known.issuer, None}):
            logger("accounts").warning("sign-in refused", reason="issuer")
            raise SignInRefused(ProviderRefusal.FAILED)
        if returned.error or not returned.code:
            denied = returned.error in {"access_denied", "login_required", "interaction_required", "consent_required"}
            raise SignInRefused(ProviderRefusal.DENIED if denied else ProviderRefusal.FAILED)
        return self._account(store, self._person(returned.code, flow, redirect_uri=redirect_uri)), flow.next

    def _person(self, code: str, flow: SignInFlow, *, redirect_uri: str) -> Person:
        known = self.provider.metadata()
        tokens = self.provider.redeem(code, redirect_uri=redirect_uri, code_verifier=flow.code_verifier)
        expected = Expected(
            issuer=known.issuer,
            client_id=self.provider.client.client_id,
            nonce=flow.nonce,
            access_token=tokens.access_token,
            algorithms=known.algorithms,
        )
        now = int(self._now())
        try:
            claims = read_id_token(tokens.id_token, keys=self.provider.keys(), expected=expected, now=now)
        except UnknownKey:
            # Providers change their keys without a word.
            keys = self.provider.keys(fresh=True)
            claims = read_id_token(tokens.id_token, keys=keys, expected=expected, now=now)
        told_all = states_groups(claims, claim=self._claim) or known.userinfo_endpoint is None
        more = None if told_all else self.provider.userinfo(tokens.access_token)
        return person_of(claims, more, issuer=known.issuer, claim=self._claim)

    def _account(self, store: Store, person: Person) -> Account:
        roles = self._grants.roles(person.groups)
        before = store.accounts.at_provider(issuer=person.issuer, subject=person.subject)
        if before is None and not roles:
            # No account is made for whoever else works at the hospital.
            logger("accounts").warning("sign-in refused", reason="no-role")
            raise SignInRefused(ProviderRefusal.NO_ROLE)
        # Of whoever has lost their groups the roles and the sessions end now.
        account = store.accounts.from_provider(
            issuer=person.issuer,
            subject=person.subject,
            name=person.name,
            email=person.email,
            roles=roles,
        )
        store.accounts.keep_display(account.number, person.display)
        refusal = ProviderRefusal.DISABLED if account.disabled_at is not None else ProviderRefusal.NO_ROLE
        if account.disabled_at is not None or not roles:
            store.audit(_NOBODY, "sign-in-refused", subject=account_subject(account), detail=refusal.value)
            raise SignInRefused(refusal)
        store.audit(account.name, "sign-in", subject=account_subject(account), detail="provider")
        return account
