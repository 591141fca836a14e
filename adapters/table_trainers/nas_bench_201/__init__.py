"""Trains NAS-Bench-201 cells on small images, many at once."""

from adapters.table_trainers.nas_bench_201.functions import groups_of_one_function
from adapters.table_trainers.nas_bench_201.trainer import TRAINER, CellTrainer

__all__ = ["TRAINER", "CellTrainer", "groups_of_one_function"]
