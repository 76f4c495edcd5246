"""The box at the bedside: what lies on its disk, what it records, what it is.

durable files -> books.py (schema.py: the database; audit_log.py: the log) -> store.py (the folder of recordings)
store.py: intake.py (recordings come in), queue.py (they are scored), recovery.py (after a kill)
vault.py (encryption) -> sealing.py; retention.py; package.py (to a stick); backup.py
service.py: the loop of `fidgety serve`; arrivals.py <- watch_folder.py, told.py (what comes into a folder);
bundle_keeper.py, cooling.py, watchdog.py, voice.py, scratch.py (what it heeds); unit.py (systemd)
"""
