"""The AWS services beside Polly."""
