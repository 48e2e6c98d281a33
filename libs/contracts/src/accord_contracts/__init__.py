"""The events, closed scales and requests that Accord's services share.

Depends on pydantic alone. A locality's own service may use this package without the
chassis, or only the JSON Schemas in ``schemas/``.
"""
