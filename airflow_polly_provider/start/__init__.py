"""Starting a synthesis task once, whatever fails."""
