"""The box at the bedside.

camera.py (simulated_camera.py, gstreamer.py) -> recorder.py: video_writer.py, frame_log.py -> leftovers.py
beside it, in a process of its own: frame_ring.py -> guidance_process.py: guidance.py, guidance_picture.py
at the end: verdict.py
"""
