"""The meetings at which agencies put their pieces together. Pure."""
