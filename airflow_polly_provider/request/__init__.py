"""Building, checking and counting of requests, before anything is sent."""
