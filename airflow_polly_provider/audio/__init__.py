"""Audio formats: mp3 frames, WAV headers and playing times."""
