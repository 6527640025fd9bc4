"""Faults from outside: kills, full and slow disks, closed directories, clocks that jump."""
