"""The `mediapipe` package's own loop over a recording; run by the interpreter that holds it, not by ours.

    python mediapipe_loop.py RECORDING OUT.npz

Writes landmarks (T, 33, 2) in px (NaN = none) and the wall seconds of the loop.
"""

import sys
import time

import cv2
import mediapipe
import numpy as np


def main() -> None:
    recording, out = sys.argv[1:3]
    video = cv2.VideoCapture(recording)
    rows = []
    with mediapipe.solutions.pose.Pose(model_complexity=1, smooth_landmarks=False, enable_segmentation=False) as pose:
        start = time.perf_counter()
        while True:
            is_there, picture = video.read()
            if not is_there:
                break
            found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
            height, width = picture.shape[:2]
            rows.append(
                np.full((33, 2), np.nan)
                if found is None
                else np.array([(point.x * width, point.y * height) for point in found.landmark])
            )
        wall_s = time.perf_counter() - start
    np.savez(out, landmarks=np.array(rows), wall_s=wall_s, version=mediapipe.__version__)


main()
