"""The commands, each with its grammar and what it does; modules import the lake only when a command runs."""

from __future__ import annotations

from lakehouse.cli.commands import (
    backfills,
    cache,
    checkouts,
    contracts,
    demo,
    differences,
    doctor,
    garbage,
    lakes,
    layout,
    loading,
    maintenance,
    pins,
    quality,
    quarantine,
    questions,
    shell,
    sources,
    streaming,
    versions,
)

COMMANDS = (
    lakes.add_commands,
    contracts.add_commands,
    loading.add_commands,
    sources.add_commands,
    backfills.add_commands,
    questions.add_commands,
    shell.add_commands,
    pins.add_commands,
    checkouts.add_commands,
    versions.add_commands,
    differences.add_commands,
    quality.add_commands,
    quarantine.add_commands,
    layout.add_commands,
    streaming.add_commands,
    maintenance.add_commands,
    garbage.add_commands,
    cache.add_commands,
    doctor.add_commands,
    demo.add_commands,
)
"""In the order of the overview."""

PASSING = frozenset({"demo", "shell"})
"""Commands that pass what follows `--` on to another program."""
