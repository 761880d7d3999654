"""Reads documents: books, articles and dialogues, as chapters of text."""
