"""The hook for Amazon Polly: one typed method for each Polly operation that boto3 can call."""
