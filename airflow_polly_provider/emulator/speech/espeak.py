"""espeak-ng, called through ctypes. The library is not re-entrant, so only the worker process loads it."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_polly_provider.emulator.speech.audio import Event

if TYPE_CHECKING:
    from collections.abc import Callable

# From espeak-ng's public header, speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_CHARS_UTF8, _SSML, _PHONEMES = 0x1, 0x10, 0x100
_RATE, _VOLUME, _PITCH = 1, 2, 3
_KINDS = {1: "word", 2: "sentence", 3: "mark", 7: "phoneme"}
_BUFFER_MILLISECONDS = 500


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Speaker:
    """The loaded espeak-ng library with one voice, for one synthesis.

    :param voice: espeak's voice name, such as ``en-us`` or ``en-us+f2``.
    :param pitch: the pitch, 0 to 99; 50 is the default pitch of the voice.
    :param words_per_minute: the speed, 80 to 450.
    :raises RuntimeError: if espeak-ng does not start, or has no such voice.
    """

    def __init__(self, voice: str, *, pitch: int, words_per_minute: int) -> None:
        import espeakng_loader  # type: ignore[import-untyped] # it ships no types

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate: int = self._library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS,
            _BUFFER_MILLISECONDS,
            espeakng_loader.get_data_path().encode(),
            _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT,
        )
        if self.rate <= 0:
            raise RuntimeError(f"espeak-ng did not start: espeak_Initialize returned {self.rate}")
        # espeak-ng generates noise from random numbers. By default, the seed is the current time. With a
        # fixed seed, the audio is the same in each run.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)

    def speak(
        self,
        text: str,
        on_audio: Callable[[np.ndarray[tuple[int], np.dtype[np.int16]]], None],
        *,
        ssml: bool,
    ) -> list[Event]:
        """Speak a text.

        :param text: the text to speak, with phonemes in double brackets.
        :param on_audio: a function that is called with each chunk of 16-bit samples at ``self.rate``.
        :param ssml: whether the text is SSML in espeak's dialect.
        :return: the events with their times.
        :raises RuntimeError: if espeak-ng reports an error.
        """
        events: list[Event] = []
        failures: list[BaseException] = []

        def callback(samples: Any, count: int, happened: Any) -> int:
            # An exception cannot pass through C code. Store it, and stop espeak by returning 1.
            try:
                _collect(happened, events)
                if count > 0 and samples:
                    on_audio(np.ctypeslib.as_array(samples, shape=(count,)).copy())
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)
                return 1
            return 0

        self._library.espeak_SetSynthCallback(kept := _CALLBACK(callback))
        data = text.encode()
        flags = _CHARS_UTF8 | _PHONEMES | (_SSML if ssml else 0)
        result = self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, flags, None, None)
        del kept
        if failures:
            raise failures[0]
        if result != 0:
            raise RuntimeError(f"espeak-ng could not speak: espeak_Synth returned {result}")
        return events


def _collect(happened: Any, events: list[Event]) -> None:
    index = 0
    while happened[index].type:
        event = happened[index]
        index += 1
        kind = _KINDS.get(event.type)
        if kind is None:
            continue
        name = ""
        if kind == "mark":
            name = (event.id.name or b"").decode()
        elif kind == "phoneme":
            name = event.id.string.decode(errors="ignore")
        # espeak counts characters from 1.
        events.append(Event(kind, event.audio_position, max(event.text_position - 1, 0), event.length, name))
