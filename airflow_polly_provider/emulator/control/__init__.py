"""What tests and users steer: faults, the HTTP interface, the server."""
