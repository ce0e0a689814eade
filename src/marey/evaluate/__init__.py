"""Moments, distances and scores of videos: how good, compared with what, and how sure."""

from marey.evaluate.backbones import BACKBONES, Backbone, Loader, open_backbone
from marey.evaluate.calibration import auroc, average_precision, ece, reliability
from marey.evaluate.distances import DISTANCES, Distance, Found
from marey.evaluate.doctor import Check, Report, doctor
from marey.evaluate.evaluate import evaluate
from marey.evaluate.folders import evaluate_folders
from marey.evaluate.intervals import Interval, cluster_bootstrap, group_jackknife, wilson
from marey.evaluate.leaderboard import leaderboard
from marey.evaluate.moments import MomentState, frechet
from marey.evaluate.protocols import PROTOCOLS, Protocol
from marey.evaluate.record import Difference, Evaluation, Record, Row, ranked
from marey.evaluate.reservoir import FeatureSet, Reservoir
from marey.evaluate.shot_files import score_shots
from marey.evaluate.shots import ClipScore, Detection, clip_score, detection, point_detection

__all__ = [
    "BACKBONES",
    "DISTANCES",
    "PROTOCOLS",
    "Backbone",
    "Check",
    "ClipScore",
    "Detection",
    "Difference",
    "Distance",
    "Evaluation",
    "FeatureSet",
    "Found",
    "Interval",
    "Loader",
    "MomentState",
    "Protocol",
    "Record",
    "Report",
    "Reservoir",
    "Row",
    "auroc",
    "average_precision",
    "clip_score",
    "cluster_bootstrap",
    "detection",
    "doctor",
    "ece",
    "evaluate",
    "evaluate_folders",
    "frechet",
    "group_jackknife",
    "leaderboard",
    "open_backbone",
    "point_detection",
    "ranked",
    "reliability",
    "score_shots",
    "wilson",
]
