"""Starting a synthesis task once, even if requests, tries or processes fail."""
