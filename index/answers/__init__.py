"""What neighbours tell: a 9-DoF box, which known instance it is, which action a clip shows."""

from index.answers.action import ActionAnswer, ActionShare, ClipMatch, FrameVote, answer_action
from index.answers.box9 import FittedNeighbour, PoseAnswer, answer_pose, answer_poses
from index.answers.consensus import Consensus, Symmetry
from index.answers.fitted_box import FittedBox
from index.answers.pose_query import PoseQuery
from index.answers.reid import InstanceMatch, ReidAnswer, answer_reid

__all__ = [
    "ActionAnswer",
    "ActionShare",
    "ClipMatch",
    "Consensus",
    "FittedBox",
    "FittedNeighbour",
    "FrameVote",
    "InstanceMatch",
    "PoseAnswer",
    "PoseQuery",
    "ReidAnswer",
    "Symmetry",
    "answer_action",
    "answer_pose",
    "answer_poses",
    "answer_reid",
]
