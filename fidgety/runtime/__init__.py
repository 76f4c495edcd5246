"""The lean runtime: a recording in, an assessment out. No torch, no export, no training code.

The order of the files is the order of the data:
source.py    recording or camera -> Frame (address.py: what of a camera's address may be shown)
session.py   a loaded graph (networks.py what is expected of it, devices.py where it runs, open_session.py the entry;
             onnx_session.py, tensorrt_session.py the engines, engine_files.py those on disk, probe.py what is there)
pose.py      Frame -> Pose (crop.py follows the infant, both_sides.py joins plain and mirrored readings, limb_flow.py
             and limb_follower.py let limbs move as the picture around them does; readers.py the network: blazepose.py,
             or the user's own: keypoint_network.py, whose places heatmap_pose.py finds)
posefile.py  Pose <-> disk, written as they come, and what the pictures told (origin.py: what a stored track is worth)
track.py     poses -> rows at 25 Hz
doubt.py     what is hardly seen moves only slowly
lift.py      2D keypoints -> H36M-17 in 3D (upright.py, stream_lifter.py: the temporal lifter; lifter_form.py its form)
windows.py   rows -> Window (240 frames)
assess.py    Window -> WindowScore; WindowScores -> frequency, risk, bouts
quality.py   what makes a recording assessable (its figures: posture.py, picture.py, noise_floor.py)
pipeline.py  the loop: start reading here (prefetch.py a stage in a thread of its own, timing.py how long each takes)
"""
