"""What operators see: the tree as data, later metrics and the event log."""
