"""An independent check of a cluster: clients that believe nothing, faults, and what must hold."""
