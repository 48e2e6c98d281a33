"""Who two descriptions may be of: the same person, perhaps, or two.

Fellegi and Sunter's model (1969): every field that two records both have speaks for or
against by so many bits, log2 of how likely its level of agreement is in one person's
records (m) over how likely it is in two people's (u). It decides nothing alone where it
may harm: between the two thresholds a person is asked.
"""
