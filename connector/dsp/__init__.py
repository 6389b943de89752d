"""The Dataspace Protocol 2025-1 over HTTP: both roles under one base."""
