"""Audio files: the frames of mp3, and playing times."""
