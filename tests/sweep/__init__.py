"""`make sweep`: runs of every family that are killed, or whose machine loses its power, at many moments."""
