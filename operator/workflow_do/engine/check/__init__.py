"""The checker: what is wrong with definitions, found before anything runs.

Pure. `check_workflow` and `check_action` give all findings of raw specs; `errors` are those that
stop new runs, `tell` makes one bounded text of them. Used by the operator for `Ready`, by
`kubectl workflow lint` and by the SDK.
"""

from workflow_do.engine.check.finding import Finding, Severity, errors, tell
from workflow_do.engine.check.form import read_form
from workflow_do.engine.check.workflow import check_action, check_workflow

__all__ = ["Finding", "Severity", "check_action", "check_workflow", "errors", "read_form", "tell"]
