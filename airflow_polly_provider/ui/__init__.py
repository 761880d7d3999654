"""The tab *Listen* of the Airflow UI: a page, and the application behind it in the API server."""
