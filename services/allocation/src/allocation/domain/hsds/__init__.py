"""The directory as Open Referral's Human Services Data Specification 3.1 has it.

A page of services as its API answers them, each with its organisation. What a role is,
a place and a provider's code are said by identifiers of ours (``accord:…``), so that
what we write can be read again, and what others write can be matched to ours. What this
directory has no use for is not kept: addresses above all, and named contacts.

Source: openreferral/specification, 3.1, ``schema/*.json``.
"""
