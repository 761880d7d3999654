"""One status poller for all waits of one connection on one event loop."""
