"""NAS-Bench-201: 15,625 cells of four nodes, six edges and five operations."""

from adapters.spaces.nas_bench_201.canonical import canonical, effective
from adapters.spaces.nas_bench_201.cell import EDGES, OPERATIONS, NasBench201Cell
from adapters.spaces.nas_bench_201.costs import flops, parameters
from adapters.spaces.nas_bench_201.space import NasBench201, official_indices, official_keys

SPACE = NasBench201()

__all__ = [
    "EDGES",
    "OPERATIONS",
    "SPACE",
    "NasBench201",
    "NasBench201Cell",
    "canonical",
    "effective",
    "flops",
    "official_indices",
    "official_keys",
    "parameters",
]
