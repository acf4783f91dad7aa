"""Models whose questions have one length, and whose answers have one length: sums, and the models of references 1 and 2."""
