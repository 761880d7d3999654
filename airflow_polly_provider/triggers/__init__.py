"""Triggers for the deferred wait."""
