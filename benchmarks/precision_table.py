"""Every network in every precision: size, ms, keypoints, FMs frequency and risk on whole recordings; kept, or why not.

    python benchmarks/precision_table.py RECORDING... --ranges activation_ranges.json [--bundle BUNDLE] [--json REPORT]

Without recordings: the sample. What `fidgety export --complete` measures and decides; nothing is published.
Times are medians; ratios to fp32 are of runs in turn, with 1 and with 2 threads. A recording takes about as long as six
passes of the chain over it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from fidgety.bundle import default_bundle_path, open_bundle, sha256_of_file
from fidgety.calibration.activation_ranges import read_ranges
from fidgety.demo_files import demo_file
from fidgety.export.candidates import PRECISIONS
from fidgety.export.machine import describe_cpu
from fidgety.export.precision_report import format_chain, format_rows, report_to_json
from fidgety.export.variants import Request, export_precisions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--ranges", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    request = Request(
        open_bundle(given.bundle),
        PRECISIONS,
        read_ranges(given.ranges),
        sha256_of_file(given.ranges),
        tuple(given.recordings) or (demo_file("sample.mp4"),),
        describe_cpu(),
        is_complete=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        _, report = export_precisions(
            request, Path(folder) / "bundle", lambda text: print(text, file=sys.stderr, flush=True)
        )
    print(report.machine)
    print("\n".join(format_rows(report.rows)))
    print("\n".join(format_chain("fp32, one grey level brighter", report.controls)))
    for row in report.rows:
        print("\n".join(format_chain(f"{row.network} {row.precision}", row.chain)))
    for device, chain in report.together:
        print("\n".join(format_chain(f"all for {device}", chain)))
    if given.json is not None:
        given.json.write_text(report_to_json(report), encoding="utf-8")


main()
