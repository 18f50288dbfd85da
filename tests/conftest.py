"""Settings shared by all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The machines that run this are shared and slow at times; a deadline per example would measure them, not us.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
