"""The AWS services other than Polly: S3, SNS, SQS and STS."""
