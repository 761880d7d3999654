"""The object or file that contains the speech."""
