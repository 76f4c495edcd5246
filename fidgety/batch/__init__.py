"""Recordings -> results on disk, one or hundreds, on this machine or on others.

one.py          one recording, named by its content, whole or not at all
live.py         where the results of a camera lie: none in the place of another
many.py         many of them, one after another; what must be tried again
recordings.py   names and folders on the command line -> recordings
infants.py      a table of infants -> what is known of each recording's
faults.py       the recording's fault or the device's
cluster.py      the same on the machines of a Dask cluster (extra `cluster`)
for_store.py    a recording of the store, for the service
"""

from fidgety.batch.live import default_track
from fidgety.batch.one import Outputs, Request, check_one, make_folder, score_one, write_poses

__all__ = ["Outputs", "Request", "check_one", "default_track", "make_folder", "score_one", "write_poses"]
