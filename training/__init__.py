"""The demo model: its data generator, its trainer, its evaluation. Not in the wheel."""
