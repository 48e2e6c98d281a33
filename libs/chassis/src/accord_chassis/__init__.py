"""What every service of Accord needs and none should write again.

Nothing in here knows a word of the domain.
"""
