"""Certificate files: each mistake is named with its file and its remedy."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.certificates import House, Mounted, member, now

from perpmaker.common.identity import Role
from perpmaker.common.tls import CertificateFiles, TlsError, load, require_valid

GOOD = member(Role.RISK)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    return House(tmp_path).mount(GOOD)


def replace(mounted: Mounted, **files: bytes) -> None:
    """Put other contents into some of the files."""
    good = load(mounted.tls)
    contents = {"ca.crt": good.ca_pem, "tls.crt": good.certificate_pem, "tls.key": good.key_pem}
    mounted.put(contents | {name.replace("_", "."): content for name, content in files.items()})


def certificate_named(*names: x509.GeneralName) -> bytes:
    """A certificate with just these alternative names."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1)
    builder = builder.not_valid_before(now()).not_valid_after(now() + datetime.timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_good_files_say_who_we_are_and_until_when(mounted: Mounted) -> None:
    credentials = load(mounted.tls)
    assert credentials.identity == GOOD
    assert 3500 < credentials.expires_at_s - now().timestamp() < 3700
    require_valid(mounted.tls, credentials, now().timestamp())


@pytest.mark.parametrize("file", ["ca.crt", "tls.crt", "tls.key"])
def test_a_missing_file_is_named(mounted: Mounted, file: str) -> None:
    (mounted.folder / file).unlink()
    with pytest.raises(TlsError, match=rf"{file} cannot be read \(No such file or directory\); mount the Secret"):
        load(mounted.tls)


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("ca_crt", r"ca\.crt holds no certificate in PEM form"),
        ("tls_crt", r"tls\.crt holds no certificate in PEM form"),
        ("tls_key", r"tls\.key holds no unencrypted private key in PEM form"),
    ],
)
def test_a_file_with_something_else_in_it_is_named(mounted: Mounted, file: str, problem: str) -> None:
    replace(mounted, **{file: b"something else"})
    with pytest.raises(TlsError, match=problem):
        load(mounted.tls)


def test_an_encrypted_key_is_named(mounted: Mounted) -> None:
    key = serialization.load_pem_private_key(load(mounted.tls).key_pem, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    replace(mounted, tls_key=encrypted)
    with pytest.raises(TlsError, match=r"tls\.key holds no unencrypted private key"):
        load(mounted.tls)


def test_a_key_of_another_certificate_is_named_with_both_files(mounted: Mounted, tmp_path: Path) -> None:
    other = load(House(tmp_path, "other").mount(GOOD).tls)
    replace(mounted, tls_key=other.key_pem)
    with pytest.raises(TlsError, match=r"tls\.key does not fit the certificate in .*tls\.crt; give the key"):
        load(mounted.tls)


ANOTHER = x509.UniformResourceIdentifier("spiffe://elsewhere.io/risk")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), "without alternative names"),
        ((x509.DNSName("main-risk"),), "with 0 URI names"),
        ((x509.UniformResourceIdentifier(GOOD.uri), ANOTHER), "with 2 URI names"),
        ((ANOTHER,), "another's certificate: 'spiffe://elsewhere.io/risk' names none of ours"),
    ],
)
def test_a_certificate_that_does_not_say_who_we_are_is_refused(
    mounted: Mounted, names: tuple[x509.GeneralName, ...], problem: str
) -> None:
    replace(mounted, tls_crt=certificate_named(*names))
    with pytest.raises(TlsError, match=rf"tls\.crt is .*{problem}.*; ask your issuer"):
        load(mounted.tls)


def test_a_certificate_outside_its_time_is_refused_with_the_date(mounted: Mounted) -> None:
    credentials = load(mounted.tls)
    with pytest.raises(TlsError, match=r"tls\.crt expired on \d{4}-\d\d-\d\d .*; renew it"):
        require_valid(mounted.tls, credentials, credentials.expires_at_s)
    with pytest.raises(TlsError, match=r"tls\.crt is valid only from .*; check this machine's clock"):
        require_valid(mounted.tls, credentials, credentials.valid_from_s - 1)


def test_files_are_read_again_only_when_they_change(mounted: Mounted, tmp_path: Path) -> None:
    files = CertificateFiles(mounted.tls)
    first = files.newest()
    assert files.newest() is first
    House(tmp_path, "other").fill(mounted, GOOD)
    second = files.newest()
    assert second.certificate_pem != first.certificate_pem
    assert files.newest() is second


def test_a_key_is_never_shown(mounted: Mounted) -> None:
    credentials = load(mounted.tls)
    assert "PRIVATE" not in repr(credentials)
