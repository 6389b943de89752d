"""Negotiation, transfer and evidence as plain functions of what is told to them: no network, no store, no clock."""
