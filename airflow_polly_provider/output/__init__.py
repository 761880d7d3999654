"""The object or file that holds the speech."""
