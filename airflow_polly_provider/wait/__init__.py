"""Waiting for a synthesis task: the schedule, the errors that end a wait, waits in a worker, the poller."""
