"""Waiting for a synthesis task: when to ask, which errors do not end it, in a worker and in the poller."""
