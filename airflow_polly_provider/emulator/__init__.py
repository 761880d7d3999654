"""A local emulator of Amazon Polly: synthesis tasks produce real speech, without an AWS account."""
