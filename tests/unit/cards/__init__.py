"""Tests of the cards of CDS Hooks."""
