"""In: who signs in. Out: accounts, their roles at each site, and what a role may do."""

from __future__ import annotations

from adapter.accounts.roles import ALL_SITES, GRANTS, Permission, Role, Viewer

__all__ = ["ALL_SITES", "GRANTS", "Permission", "Role", "Viewer"]
