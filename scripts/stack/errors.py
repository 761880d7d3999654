"""The errors of the stack; `StackError` is the base of the others."""


class StackError(RuntimeError):
    """Airflow did not do what was asked of it."""


class ComponentDiedError(StackError):
    """A component ended by itself; the message has the last lines of its log."""


class StackTimeoutError(StackError):
    """Something was waited for in vain; the message says what, and what was seen last."""
