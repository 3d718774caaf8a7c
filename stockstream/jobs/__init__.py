"""Work on a schedule: when it is due, who of all nodes does it, how it went."""
