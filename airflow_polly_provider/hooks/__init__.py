"""Hooks: one typed method for each Polly operation that boto3 can call."""
