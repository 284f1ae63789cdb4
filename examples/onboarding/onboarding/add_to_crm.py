"""Action add-user-to-crm: makes a contact of the user. {userId, email} → {contactId}.

A refusal by the CRM (4xx) ends it with exit code 22 and the CRM's reason.
"""

from __future__ import annotations

import sys

from onboarding.contract import (
    EXIT_UNAVAILABLE,
    ActionError,
    email_field,
    log,
    run_action,
    text_field,
)
from onboarding.network import post_json


def add_to_crm(fields: dict[str, object]) -> dict[str, object]:
    """One contact for each idempotency key; the CRM keeps that promise."""
    body = {"userId": text_field(fields, "userId"), "email": email_field(fields)}
    contact_id = post_json("the CRM", "CRM_URL", "/contacts", body).get("contactId")
    if not isinstance(contact_id, str):
        raise ActionError("the CRM's answer has no contactId", EXIT_UNAVAILABLE)
    log(f"contact {contact_id} is in the CRM")
    return {"contactId": contact_id}


if __name__ == "__main__":
    sys.exit(run_action(add_to_crm))
