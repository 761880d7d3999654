"""Text on its way to the synthesizer."""
