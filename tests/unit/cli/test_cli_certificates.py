"""`perpmaker certificates`, and the commands that ask services over TLS."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from cryptography import x509
from typer.testing import CliRunner, Result

from perpmaker.cli.main import app
from perpmaker.common.tls import Tls, load
from perpmaker.proto.risk.v1 import risk_pb2
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceServicer, add_RiskServiceServicer_to_server

MAKE = ("certificates", "--namespace", "trading", "--account", "main", "--maker", "eth", "--maker", "btc")
CHILDREN = {
    "main-gateway": "gateway",
    "main-order-state": "order-state",
    "main-risk": "risk",
    "eth-quoter": "quoter",
    "btc-quoter": "quoter",
}


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def made(out: Path, *words: str | Path) -> Path:
    result = run(*MAKE, "--out", out, *words)
    assert result.exit_code == 0, result.output
    return out


def tls_of(folder: Path) -> Tls:
    return Tls(certificate_file=folder / "tls.crt", key_file=folder / "tls.key", ca_file=folder / "ca.crt")


def names_in(file: Path, kind: type[x509.GeneralName]) -> list[Any]:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [name.value for name in names if isinstance(name, kind)]


def test_every_child_gets_its_name_and_the_names_it_is_reached_by(tmp_path: Path) -> None:
    out = made(tmp_path)
    for child, role in CHILDREN.items():
        folder = out / f"{child}-tls"
        assert load(tls_of(folder)).identity.uri == f"spiffe://perpmaker.io/ns/trading/account/main/{role}"
        hosts = names_in(folder / "tls.crt", x509.DNSName)
        assert hosts == [child, f"{child}.trading", f"{child}.trading.svc"]


def test_the_operator_and_people_get_certificates_too(tmp_path: Path) -> None:
    out = made(tmp_path)
    assert load(tls_of(out / "perpmaker-operator-tls")).identity.uri == "spiffe://perpmaker.io/operator"
    person = load(tls_of(out / "main-cli-tls")).identity.uri
    assert person == "spiffe://perpmaker.io/ns/trading/account/main/cli"


def test_a_second_account_takes_nothing_from_the_first(tmp_path: Path) -> None:
    out = made(tmp_path)
    of_first = {file: file.read_bytes() for file in out.glob("main-*/tls.crt")}
    assert run(*(word if word != "main" else "second" for word in MAKE), "--out", out).exit_code == 0
    assert {file: file.read_bytes() for file in of_first} == of_first
    assert load(tls_of(out / "second-cli-tls")).identity.account == "second"


def test_keys_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    out = made(tmp_path, "--manifests")
    secrets = [*out.glob("**/*.key"), out / "secrets.yaml"]
    assert len(secrets) == len(CHILDREN) + 4
    assert {oct(file.stat().st_mode & 0o777) for file in secrets} == {"0o600"}


def test_the_authority_is_kept_and_signs_again(tmp_path: Path) -> None:
    authority = tmp_path / "authority"
    first, second = (made(tmp_path / name, "--ca-dir", authority) for name in ("one", "two"))
    assert not (first / "ca").exists()
    bundles = {(out / "main-risk-tls" / "ca.crt").read_bytes() for out in (first, second)}
    assert bundles == {(authority / "ca.crt").read_bytes()}
    assert (first / "main-risk-tls/tls.crt").read_bytes() != (second / "main-risk-tls/tls.crt").read_bytes()


def test_half_an_authority_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("half")
    result = run(*MAKE, "--out", tmp_path / "out", "--ca-dir", tmp_path)
    assert result.exit_code == 2
    assert "holds no usable authority" in result.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ca.crt"]


def test_manifests_hold_the_files_as_tls_secrets(tmp_path: Path) -> None:
    out = made(tmp_path, "--manifests", "--operator-namespace", "ops")
    secrets = {s["metadata"]["name"]: s for s in yaml.safe_load_all((out / "secrets.yaml").read_text())}
    assert set(secrets) == {f"{child}-tls" for child in CHILDREN} | {"perpmaker-operator-tls", "main-cli-tls"}
    for name, secret in secrets.items():
        assert (secret["kind"], secret["type"]) == ("Secret", "kubernetes.io/tls")
        assert secret["metadata"]["namespace"] == ("ops" if "operator" in name else "trading")
        for file, content in secret["data"].items():
            assert base64.b64decode(content) == (out / name / file).read_bytes()


class Risk(RiskServiceServicer):
    """Knows nothing and says so."""

    def GetState(self, request: risk_pb2.GetStateRequest, context: Any) -> risk_pb2.GetStateResponse:
        return risk_pb2.GetStateResponse()


def serve(credentials: grpc.ServerCredentials | None) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    add_RiskServiceServicer_to_server(Risk(), server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return made(tmp_path / "house")


@pytest.fixture
def secure(out: Path) -> Iterator[str]:
    mine = load(tls_of(out / "main-risk-tls"))
    pair = [(mine.key_pem, mine.certificate_pem)]
    yield from serve(grpc.ssl_server_credentials(pair, mine.ca_pem, require_client_auth=True))


@pytest.fixture
def plain() -> Iterator[str]:
    yield from serve(None)


def said(result: Result) -> str:
    return re.sub(r"\s+", " ", result.stderr)


def test_a_person_with_a_certificate_is_answered_behind_a_forwarded_port(secure: str, out: Path) -> None:
    me = out / "main-cli-tls"
    result = run("status", "--risk", secure, "--tls-dir", me, "--tls-name", "main-risk")
    assert result.exit_code == 0, result.output
    by_environment = {"PERPMAKER_TLS_DIR": str(me), "PERPMAKER_TLS_NAME": "main-risk"}
    assert CliRunner().invoke(app, ["status", "--risk", secure], env=by_environment).exit_code == 0


def test_a_certificate_for_another_name_says_how_to_name_it(secure: str, out: Path) -> None:
    result = run("status", "--risk", secure, "--tls-dir", out / "main-cli-tls")
    assert result.exit_code == 1
    assert "is for another name; if the port is forwarded" in said(result)
    assert "--tls-name main-risk" in said(result)


def test_asking_in_plaintext_where_tls_is_needed_says_so(secure: str) -> None:
    result = run("status", "--risk", secure)
    assert result.exit_code == 1
    assert "if its services use TLS, give --tls-dir DIR" in said(result)


def test_asking_over_tls_where_plaintext_is_spoken_says_so(plain: str, out: Path) -> None:
    result = run("status", "--risk", plain, "--tls-dir", out / "main-cli-tls", "--tls-name", "main-risk")
    assert result.exit_code == 1
    assert f"{plain} speaks plaintext; leave out --tls-dir" in said(result)


def test_another_authority_is_named(secure: str, tmp_path: Path) -> None:
    other = made(tmp_path / "other")
    result = run("status", "--risk", secure, "--tls-dir", other / "main-cli-tls", "--tls-name", "main-risk")
    assert result.exit_code == 1
    assert "is not signed by the authority in ca.crt" in said(result)


def test_a_certificate_that_the_service_does_not_accept_is_named(secure: str, out: Path, tmp_path: Path) -> None:
    me = made(tmp_path / "other") / "main-cli-tls"
    (me / "ca.crt").write_bytes((out / "ca" / "ca.crt").read_bytes())
    result = run("status", "--risk", secure, "--tls-dir", me, "--tls-name", "main-risk")
    assert result.exit_code == 1
    assert "does not accept the certificate in --tls-dir" in said(result)


def test_a_folder_without_certificates_is_named(secure: str, tmp_path: Path) -> None:
    result = run("status", "--risk", secure, "--tls-dir", tmp_path)
    assert result.exit_code == 1
    assert f"--tls-dir cannot be used: {tmp_path}/tls.crt cannot be read" in said(result)
