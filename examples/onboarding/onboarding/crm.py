"""Service CRM: takes contacts, and refuses some by a rule, so that a workflow can be seen to fail.

POST /contacts {userId, email} with an Idempotency-Key → 201 {contactId}, 200 for a key seen before,
422 when the e-mail address matches REFUSE_EMAIL_PATTERN (default: those that begin with "refused").
"""

from __future__ import annotations

import hashlib
import os
import re
import sys

from onboarding.receiver import (
    Answer,
    Record,
    Records,
    port_from_env,
    run_until_stopped,
    serve_http,
)

DEFAULT_REFUSE_EMAIL_PATTERN = r"^refused"


class Crm:
    """The rules of the CRM over its memory."""

    def __init__(self, refuse_email_pattern: str) -> None:
        self.records = Records()
        self._refused = re.compile(refuse_email_pattern)

    def post(self, path: str, body: Record, key: str) -> Answer:
        """One POST; the status and the answer."""
        if path != "/contacts":
            return 404, {"error": f"nothing is taken at {path}"}
        user_id, email = body.get("userId"), body.get("email")
        if not isinstance(user_id, str) or not isinstance(email, str) or not user_id:
            return 400, {"error": "userId and email must be strings"}
        if not key:
            return 400, {"error": "an Idempotency-Key header is needed"}
        if self._refused.search(email):
            return 422, {"error": f"contacts like {email} are not accepted"}
        contact_id = f"contact-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        wanted = {"contactId": contact_id, "userId": user_id, "email": email}
        record, is_new = self.records.add_once(key, wanted)
        if record != wanted:
            return 409, {"error": "the Idempotency-Key was used for another contact"}
        return 201 if is_new else 200, {"contactId": contact_id}


def main() -> None:
    """Serve on PORT (8080)."""
    pattern = os.environ.get("REFUSE_EMAIL_PATTERN", DEFAULT_REFUSE_EMAIL_PATTERN)
    try:
        crm = Crm(pattern)
    except re.error as error:
        sys.exit(f"error: REFUSE_EMAIL_PATTERN is no regular expression: {error}")
    run_until_stopped("crm", serve_http(port_from_env("PORT", 8080), crm.records, crm.post))


if __name__ == "__main__":
    main()
