"""Mutual TLS between services: who we are, whom we believe, and files that change while we run."""

from __future__ import annotations

from pathlib import Path

from perpmaker.common.config import Part


class Tls(Part):
    """Mutual TLS between services: who we are and whom we believe. Files are read again when they change."""

    certificate_file: Path
    """Our certificate chain, PEM; its URI name says which service of which account we are."""
    key_file: Path
    ca_file: Path
    """Authorities whose certificates we accept, PEM."""
