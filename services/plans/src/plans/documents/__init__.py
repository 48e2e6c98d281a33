"""What is handed over on paper: to whom, with what, and who let it go."""
