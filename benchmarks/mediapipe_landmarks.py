"""The `mediapipe` package's landmarks of pictures that come down a pipe; run by the Python that holds it.

    ... | python mediapipe_landmarks.py HEIGHT WIDTH OUT.npz

Reads RGB pictures (HEIGHT, WIDTH, 3) uint8 one after another, writes landmarks (T, 33, 2) in px, NaN = none, and the
crops that it tracked (T, 4): centre x, centre y, side in px, angle in rad.
"""

import sys

import mediapipe
import mediapipe.python.solutions.pose as pose_solution
import numpy as np
from mediapipe.python.solution_base import SolutionBase

_STAGE = "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__"


def main() -> None:
    height, width, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # As `mediapipe.solutions.pose.Pose(smooth_landmarks=False)` sets its graph up, with the crop as a further output.
    graph = SolutionBase(
        binary_graph_path=pose_solution._BINARYPB_FILE_PATH,
        side_inputs={
            "model_complexity": 1,
            "smooth_landmarks": False,
            "enable_segmentation": False,
            "smooth_segmentation": False,
            "use_prev_landmarks": True,
        },
        calculator_params={
            "posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh": 0.5,
            f"{_STAGE}ThresholdingCalculator.threshold": 0.5,
        },
        outputs=["pose_landmarks", "pose_rect"],
    )
    landmarks, regions = [], []
    n_bytes = height * width * 3
    while len(data := sys.stdin.buffer.read(n_bytes)) == n_bytes:
        seen = graph.process({"image": np.frombuffer(data, np.uint8).reshape(height, width, 3)})
        found, rect = seen.pose_landmarks, seen.pose_rect
        landmarks.append(
            np.full((33, 2), np.nan)
            if found is None
            else np.array([(point.x * width, point.y * height) for point in found.landmark])
        )
        regions.append(
            np.full(4, np.nan)
            if rect is None
            else (rect.x_center * width, rect.y_center * height, rect.width * width, rect.rotation)
        )
    np.savez(out, landmarks=np.array(landmarks), regions=np.array(regions), version=mediapipe.__version__)


main()
