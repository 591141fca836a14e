"""A kind of run of its own, as a stranger's package would have it: fronts under limits.

A run looks at some architectures of a table and answers with a whole front: for every limit on the
seconds of an epoch, the architecture with the best validation accuracy that keeps it.
"""
