"""One file from a document of any length: its pieces, their synthesis as a batch, and the joined file."""
