"""Second factors at rest: what allauth keeps of an authenticator app and of recovery codes is stored encrypted."""

from __future__ import annotations

from allauth.mfa.adapter import DefaultMFAAdapter

from apps.encryption import decrypt, encrypt

PURPOSE = "bantam.accounts.second-factor"


class EncryptedSecrets(DefaultMFAAdapter):  # type: ignore[misc]
    """MFA_ADAPTER. Whoever reads the database, or a backup of it, can not make anybody's codes from it."""

    def encrypt(self, text: str) -> str:
        return encrypt(PURPOSE, text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """Raises UnreadableError."""
        return decrypt(PURPOSE, encrypted_text.encode()).decode()
