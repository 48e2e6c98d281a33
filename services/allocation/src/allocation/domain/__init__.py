"""What it takes to have every role of a case filled by the right worker. Pure."""
