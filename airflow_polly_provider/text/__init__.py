"""Texts, SSML and lexicons: limits, count of billed characters, checks, and functions that build SSML."""
