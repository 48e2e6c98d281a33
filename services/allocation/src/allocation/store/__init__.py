"""Where workers, rotas, staffings and allocations are kept."""
