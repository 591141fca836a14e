"""The cell space of DARTS, and RobustDARTS's reductions of it in which DARTS fails."""

from adapters.spaces.darts import candidates
from adapters.spaces.darts.candidates import EDGES, OPERATIONS, Candidates
from adapters.spaces.darts.genotype import Genotype
from adapters.spaces.darts.published import PUBLISHED, published
from adapters.spaces.darts.space import DartsSpace

DARTS = DartsSpace("darts", candidates.DARTS)
S1 = DartsSpace("s1", candidates.S1)
S2 = DartsSpace("s2", candidates.S2)
S3 = DartsSpace("s3", candidates.S3)
S4 = DartsSpace("s4", candidates.S4)

__all__ = [
    "DARTS",
    "EDGES",
    "OPERATIONS",
    "PUBLISHED",
    "S1",
    "S2",
    "S3",
    "S4",
    "Candidates",
    "DartsSpace",
    "Genotype",
    "published",
]
