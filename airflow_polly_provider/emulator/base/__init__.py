"""What every part of the emulator stands on."""
