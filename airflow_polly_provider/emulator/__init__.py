"""Amazon Polly on this machine: start, get and list synthesis tasks that really speak, without an account."""
