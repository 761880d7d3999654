"""The errors of the stack; `StackError` is the base of the others."""


class StackError(RuntimeError):
    """Airflow did not do what the caller requested."""


class ComponentDiedError(StackError):
    """A component ended by itself; the message contains the last lines of its log."""


class StackTimeoutError(StackError):
    """A wait timed out; the message states what was expected and what was observed last."""
