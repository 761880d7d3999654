"""Apache Airflow provider for Amazon Polly's asynchronous speech synthesis."""

__version__ = "0.1.0"
