"""The commands, a module for each group.

What is said on the command line becomes a call of the module that does it; nothing is
decided here.
"""
