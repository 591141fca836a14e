"""NAS-Bench-1Shot1: the parts of NAS-Bench-101 that a supernet can search."""

from adapters.spaces.nas_bench_1shot1.cell import OPERATIONS, NasBench1Shot1Cell
from adapters.spaces.nas_bench_1shot1.graphs import Graph, graph_of, module_hash
from adapters.spaces.nas_bench_1shot1.space import NasBench1Shot1

SPACE_1 = NasBench1Shot1("nas-bench-1shot1-1", (1, 2, 2, 2, 2))
SPACE_2 = NasBench1Shot1("nas-bench-1shot1-2", (1, 1, 2, 2, 3))
SPACE_3 = NasBench1Shot1("nas-bench-1shot1-3", (1, 1, 1, 2, 2, 2))

__all__ = [
    "OPERATIONS",
    "SPACE_1",
    "SPACE_2",
    "SPACE_3",
    "Graph",
    "NasBench1Shot1",
    "NasBench1Shot1Cell",
    "graph_of",
    "module_hash",
]
