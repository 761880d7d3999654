"""Builds and checks requests, and counts their characters, before anything is sent."""
