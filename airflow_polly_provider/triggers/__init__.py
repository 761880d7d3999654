"""Triggers: the deferred wait."""
