"""Action create-user-db: makes the user in PostgreSQL. {email, name, plan} → {userId}."""

from __future__ import annotations

import sys

from onboarding.contract import email_field, log, require_env, run_action, text_field
from onboarding.database import insert_user, open_database


def create_user(fields: dict[str, object]) -> dict[str, object]:
    """One user for each idempotency key, however often this runs."""
    email = email_field(fields)
    name = text_field(fields, "name")
    plan = text_field(fields, "plan")
    key = require_env("WORKFLOW_IDEMPOTENCY_KEY")
    with open_database() as connection:
        user_id = insert_user(connection, email=email, name=name, plan=plan, key=key)
    log(f"user {user_id} is in the database")
    return {"userId": user_id}


if __name__ == "__main__":
    sys.exit(run_action(create_user))
