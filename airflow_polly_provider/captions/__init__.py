"""Captions and transcripts, made from Polly's speech marks."""
