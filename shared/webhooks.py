"""What webhooks are signed with, in the form of the Standard Webhooks specification.

Each tenant has a secret of its own, made from that of the gateways: none can sign for another, and none is kept.
"""

import base64
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
"""Where the specification's libraries expect it."""


LEAST_CHARACTERS = 32
"""Of the secret of the gateways: what is shorter, whoever has one message can try out."""


def check(master: str) -> None:
    """Raises `ValueError` for a secret of the gateways that is too short; none at all is not."""
    if 0 < len(master) < LEAST_CHARACTERS:
        raise ValueError(
            f"WEBHOOK_SECRET: must have {LEAST_CHARACTERS} characters or more, and has {len(master)}; "
            "`openssl rand -hex 32` makes one"
        )


def secret_of(master: str, owner: str) -> bytes:
    """The secret of the owner's webhooks; `master` is that of the gateways."""
    return hmac.digest(master.encode(), b"webhook " + owner.encode(), hashlib.sha256)


def shown(secret: bytes) -> str:
    """The secret as a receiver puts it into its settings."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature_of(secret: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`. `timestamp` is in seconds."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
