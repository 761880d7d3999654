"""Operators. They orchestrate other modules and make no AWS calls themselves."""
