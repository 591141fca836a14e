"""Trains the cells of NAS-Bench-1Shot1 on small images, many at once."""

from adapters.table_trainers.nas_bench_1shot1.trainer import TRAINER_1, TRAINER_2, GraphTrainer

__all__ = ["TRAINER_1", "TRAINER_2", "GraphTrainer"]
