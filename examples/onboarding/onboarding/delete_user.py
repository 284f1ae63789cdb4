"""Action delete-user-db: undoes create-user-db in PostgreSQL. {userId} → {deleted}."""

from __future__ import annotations

import sys

from onboarding.contract import log, run_action, text_field
from onboarding.database import open_database, remove_user


def delete_user(fields: dict[str, object]) -> dict[str, object]:
    """A user who is not there (any more) is as good as deleted, however often this runs."""
    user_id = text_field(fields, "userId")
    with open_database() as connection:
        deleted = remove_user(connection, user_id)
    log(f"user {user_id} {'is deleted' if deleted else 'was not there'}")
    return {"deleted": deleted}


if __name__ == "__main__":
    sys.exit(run_action(delete_user))
