"""HTTP/1.1 and HTTP/2: reading requests, checking their origin, and sending responses."""
