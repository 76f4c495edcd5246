"""The box at the bedside: what lies on its disk, what it records, what it is.

durable files -> books.py (schema.py: the database; audit_log.py: the log) -> store.py (the folder of recordings)
store.py: intake.py (recordings come in), queue.py (they are scored), recovery.py (after a kill)
vault.py (encryption) -> sealing.py; retention.py; package.py (to a stick); backup.py, restore.py

bedside.py (one recording, from the first look to the verdict): camera.py (gstreamer.py, simulated_camera.py) ->
capturing.py, recorder.py (recording_plan.py) -> video_writer.py, frame_log.py -> disk.py; leftovers.py (after a kill)
beside it, in a process of its own: viewer.py, frame_ring.py -> looks.py -> guidance.py, guidance_picture.py; verdict.py

engines.py   provisions the TensorRT engines of a bundle: builds, proves, keeps

tree.py          files of a system below a root, so that a simulated one can be read like the real one
jetson.py        model, JetPack, power mode                              processor.py  cores, memory, swap
heat.py          temperatures, throttling, clock rates                   clock.py  may the time be believed
cameras.py       what V4L2 says of the cameras                           accelerators.py  what really loads
probe.py         all of it: `device show`
packages.py      installed distributions and what is wrong with them
checks/          known traps, each with its remedy; doctor.py runs them: `device doctor`
bench.py         speed, memory and heat over one recording: `device bench`
selftest.py      the phantom through the whole chain; golden.py its stored vectors: `device selftest`
selftest_reference.py  what a fit box measured; daily_test.py  how long an outcome holds

service.py: the loop of `fidgety serve`; arrivals.py <- watch_folder.py, told.py (what comes into a folder);
bundle_keeper.py, cooling.py, watchdog.py, voice.py, scratch.py (what it heeds); unit.py (systemd)
"""
