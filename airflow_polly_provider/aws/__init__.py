"""AWS-specific code: the amazon provider's bases, errors, the service model, S3 locations, TaskStatus."""
