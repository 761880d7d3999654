"""AWS-specific code: base classes of the amazon provider, errors, service model, S3 locations, TaskStatus."""
