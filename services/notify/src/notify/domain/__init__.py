"""Who is told what, how, and who is told next when they are silent. Pure."""
