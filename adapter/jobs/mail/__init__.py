"""In: settings, the store, a moment. Out: mail digests: numbers and links for the people of each site, and nothing of a patient."""

from __future__ import annotations

from adapter.jobs.mail.delivery import Delivered, Outgoing
from adapter.jobs.mail.letter import Letterhead, compose
from adapter.jobs.mail.news import News, gather
from adapter.jobs.mail.plan import DueDigest, Reader, check_mail, due_digests, readers
from adapter.jobs.mail.postman import Postman
from adapter.jobs.mail.schedule import due
from adapter.jobs.mail.sending import DigestSummary, Mailing, MailSummary

__all__ = [
    "Delivered",
    "DigestSummary",
    "DueDigest",
    "Letterhead",
    "MailSummary",
    "Mailing",
    "News",
    "Outgoing",
    "Postman",
    "Reader",
    "check_mail",
    "compose",
    "due",
    "due_digests",
    "gather",
    "readers",
]
