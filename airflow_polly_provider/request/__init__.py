"""The request: built, checked and counted before anything is sent."""
