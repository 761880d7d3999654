"""What may be sent to Polly: limits and billing count."""
