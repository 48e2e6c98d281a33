"""What people judge: raising, reassessing, lowering, and what proves that one may."""
