"""Literal types of parameters whose values AWS rarely changes, for type checkers."""

from __future__ import annotations

from typing import Literal

OutputFormat = Literal["mp3", "ogg_vorbis", "ogg_opus", "pcm", "mulaw", "alaw", "json"]

SpeechMarkType = Literal["sentence", "ssml", "viseme", "word"]

TextType = Literal["text", "ssml"]

OutputContainer = Literal["wav"]
OnItemFailure = Literal["fail", "continue"]

JoinedOutputFormat = Literal["mp3", "pcm", "mulaw", "alaw"]
Reuse = Literal["unchanged", "never"]
