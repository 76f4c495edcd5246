"""`fidgety device ...`: this box."""

from __future__ import annotations

import typer

from fidgety.commands import device_box

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="This box: what it is, whether it is fit, its engines.")
app.command("show")(device_box.show)
app.command("doctor")(device_box.doctor)
app.command("bench")(device_box.bench)
app.command("selftest")(device_box.selftest)
