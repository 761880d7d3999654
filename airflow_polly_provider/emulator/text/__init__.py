"""Preparation of text for the synthesizer: SSML, lexicons and pronunciations."""
