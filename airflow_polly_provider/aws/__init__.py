"""What is AWS's: the amazon provider's bases, errors, the service model, places in S3, TaskStatus."""
