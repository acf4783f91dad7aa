"""A Flink session cluster on this machine, with all that Beam needs beside it."""
