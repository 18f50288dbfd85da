"""The two ways to the image agree, and what is in it is what was tested."""

from __future__ import annotations

import re
from pathlib import Path

from tools.image.contents import ENV, LOCK, UID

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def _pins(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9._\[\],-]+==[^ \\]+)", lock.read_text(), re.MULTILINE))


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    image, tested = _pins(LOCK), _pins(ROOT / "requirements.lock")
    assert len(image) > 40
    assert image - tested == set(), "run: make lock"


def test_the_image_has_no_tool_of_a_developer() -> None:
    names = {pin.partition("==")[0] for pin in _pins(LOCK)}
    assert not names & {"pytest", "mypy", "ruff", "uv", "setuptools", "helm-python-sdk", "hypothesis", "grpcio-tools"}


def test_the_dockerfile_and_the_archive_run_alike() -> None:
    final = DOCKERFILE[DOCKERFILE.index("FROM scratch") :]
    environment = re.search(r"^ENV (.*?)^WORKDIR", final, re.MULTILINE | re.DOTALL)
    assert environment is not None
    assert dict(pair.split("=", 1) for pair in environment[1].replace("\\", "").split()) == ENV
    assert f"USER {UID}:{UID}" in final
    assert 'ENTRYPOINT ["perpmaker"]' in final


def test_the_dockerfile_copies_the_layers_in_the_order_of_the_archive() -> None:
    copied = re.findall(r"^COPY --from=builder /image/(\w+)/ /$", DOCKERFILE, re.MULTILINE)
    assert copied == ["system", "interpreter", "packages", "perpmaker"]
