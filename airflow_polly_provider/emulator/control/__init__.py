"""Control of the emulator by tests and users: faults, the control interface over HTTP, and the server."""
