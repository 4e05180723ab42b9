"""The signature of a webhook's request: whoever has the channel's secret can tell that it comes from here, and when. Pure.

`v1=` and the HMAC-SHA256, in hexadecimal, of the time in seconds since 1970, a dot, and the body. A receiver that refuses
times that are more than a few minutes old is safe from somebody who repeats what he heard.
"""

import hashlib
import hmac
from typing import Final

TIMESTAMP_HEADER: Final = "X-Hark-Timestamp"
SIGNATURE_HEADER: Final = "X-Hark-Signature"
DELIVERY_HEADER: Final = "X-Hark-Delivery"


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    digest = hmac.new(secret.encode(), f"{timestamp_s}.".encode() + body, hashlib.sha256)
    return f"v1={digest.hexdigest()}"
