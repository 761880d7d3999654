"""Task decorators for Amazon Polly."""
