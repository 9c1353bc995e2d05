"""What neighbours tell: the query's 9-DoF box, and which known instance it is."""

from index.answers.box9 import FittedBox, FittedNeighbour, PoseAnswer, PoseQuery, answer_pose
from index.answers.reid import InstanceMatch, ReidAnswer, answer_reid

__all__ = [
    "FittedBox",
    "FittedNeighbour",
    "InstanceMatch",
    "PoseAnswer",
    "PoseQuery",
    "ReidAnswer",
    "answer_pose",
    "answer_reid",
]
