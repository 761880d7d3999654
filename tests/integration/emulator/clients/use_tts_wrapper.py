"""Speak with word timings through py3-tts-wrapper, which creates its own boto3 client."""

import io
import json
import sys
import wave
from types import ModuleType

# py3-tts-wrapper imports sounddevice to play audio. It needs a system library, and this script plays nothing.
sys.modules["sounddevice"] = ModuleType("sounddevice")

from tts_wrapper import PollyClient  # noqa: E402

client = PollyClient(credentials=("us-east-1", "any", "any"))
voices = {voice["id"] for voice in client.get_voices()}
client.set_voice("Joanna")
audio = client.synth_to_bytes(client.ssml.add("Hello from the emulator."))
with wave.open(io.BytesIO(audio)) as file:
    seconds = file.getnframes() / file.getframerate()
_, timings = client.synth_with_timings("Hello from the emulator.", "Joanna")
print(json.dumps({"seconds": seconds, "words": [word for _, word in timings], "joanna": "Joanna" in voices}))
