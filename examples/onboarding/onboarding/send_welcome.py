"""Action send-welcome-email: writes to the user by SMTP. {userId, template} → {messageId}.

The address is looked up in the database. The Message-ID comes from the idempotency key, so a
message sent twice can be told to be one.
"""

from __future__ import annotations

import hashlib
import os
import smtplib
import sys
from email.message import EmailMessage

from onboarding.contract import (
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    ActionError,
    bad_input,
    log,
    require_env,
    run_action,
    text_field,
)
from onboarding.database import User, find_user, open_database
from onboarding.network import ANSWER_TIMEOUT_SECONDS, connect_when_up, port_env

DEFAULT_SENDER = "welcome@example.com"

TEMPLATES = {
    "new-user-welcome": (
        "Welcome, {name}!",
        "Hello {name},\n\nyour account is ready. We are glad that you are here.\n",
    ),
}


def send_welcome(fields: dict[str, object]) -> dict[str, object]:
    """Send the template to the user; the message's id."""
    user_id = text_field(fields, "userId")
    template = text_field(fields, "template")
    if template not in TEMPLATES:
        raise bad_input(f"there is no template {template!r}; there are: {', '.join(TEMPLATES)}")
    key = require_env("WORKFLOW_IDEMPOTENCY_KEY")
    with open_database() as connection:
        user = find_user(connection, user_id)
    if user is None:
        raise ActionError(f"there is no user {user_id} in the database", EXIT_REFUSED)
    message = compose(user, template, key)
    deliver(message)
    log(f"message {message['Message-ID']} is sent")
    return {"messageId": str(message["Message-ID"])}


def compose(user: User, template: str, key: str) -> EmailMessage:
    """The message of `template` for `user`, named after the idempotency key."""
    subject, body = TEMPLATES[template]
    message = EmailMessage()
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@example.com>"
    message["From"] = os.environ.get("MAIL_FROM", "") or DEFAULT_SENDER
    message["To"] = user.email
    message["Subject"] = subject.format(name=user.name)
    message.set_content(body.format(name=user.name))
    return message


def deliver(message: EmailMessage) -> None:
    """Hand the message to the mail service; a 5xx reply is a refusal, a 4xx is not."""
    host, port = require_env("MAIL_HOST"), port_env("MAIL_PORT", 25)
    client = connect_when_up(
        "the mail service", lambda: smtplib.SMTP(host, port, timeout=ANSWER_TIMEOUT_SECONDS)
    )
    try:
        with client:
            client.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise _explain(code, text) from error
    except smtplib.SMTPResponseException as error:
        raise _explain(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise ActionError(f"the mail service broke off: {error}", EXIT_UNAVAILABLE) from error


def _explain(code: int, text: bytes | str) -> ActionError:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    exit_code = EXIT_REFUSED if 500 <= code < 600 else EXIT_UNAVAILABLE
    return ActionError(f"the mail service answered {code}: {said}", exit_code)


if __name__ == "__main__":
    sys.exit(run_action(send_welcome))
