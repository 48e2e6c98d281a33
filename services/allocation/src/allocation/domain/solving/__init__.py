"""All open roles together: whom to give each, at the least cost, within capacities.

The generalised assignment problem. Pure: it knows numbers, no workers and no cases.
Only `exact` needs OR-Tools, which it loads when it is first asked, so that the service
pays nothing for it until then.
"""
