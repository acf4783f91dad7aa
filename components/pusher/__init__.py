"""Pusher: publishes a blessed model as one whole new version, never half, never twice."""
