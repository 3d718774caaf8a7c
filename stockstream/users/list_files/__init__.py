"""Lists as files: what others export is read, and ours is written so that both read it. No I/O."""
