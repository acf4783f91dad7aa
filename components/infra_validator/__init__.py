"""InfraValidator: the candidate answers real requests in a real server before anyone depends on it."""
