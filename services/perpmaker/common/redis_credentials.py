"""Signing in to the store with a password that lies in a file.

The file is read for every new connection, so that a mounted Secret can be replaced while the service runs.
"""

from __future__ import annotations

from pathlib import Path

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError


class FileCredentials(CredentialProvider):
    """A store's user whose password is in a file. Never shows it."""

    def __init__(self, user: str, password_file: Path) -> None:
        self._user = user
        self._password_file = password_file

    def get_credentials(self) -> tuple[str, str]:
        """User and password. Raises AuthenticationError when the file cannot be read or is empty."""
        try:
            password = self._password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise AuthenticationError(
                f"the password of the store's user {self._user} cannot be read from {self._password_file}: {reason}"
            ) from None
        if not password:
            raise AuthenticationError(
                f"the password file {self._password_file} of the store's user {self._user} is empty"
            )
        return self._user, password

    async def get_credentials_async(self) -> tuple[str, str]:
        """The same; a mounted file is read at once."""
        return self.get_credentials()

    def __repr__(self) -> str:
        return f"FileCredentials(user={self._user!r}, password_file={str(self._password_file)!r})"
